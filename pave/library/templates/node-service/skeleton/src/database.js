// PostgreSQL: a pool of connections, and the tables that this version of the service needs.
import pg from 'pg';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS items (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
  )
`;

const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  connectionTimeoutMillis: 2000,
  max: 5,
});
pool.on('error', (error) => console.error('a connection was lost:', error.message));

// Creates what is missing; several copies of the service may start at once.
export const start = () => pool.query(`BEGIN; SELECT pg_advisory_xact_lock(1); ${SCHEMA}; COMMIT`);

export const stop = () => pool.end();

export const check = () => pool.query('SELECT 1');

export const query = async (sql, ...values) => (await pool.query(sql, values)).rows;

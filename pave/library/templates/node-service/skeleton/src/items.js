// Items: create, read, update and delete them. Replace them by what your service is about.
import { Router } from 'express';
import { query } from './database.js';

const COLUMNS = 'id, name, created_at';

export const items = Router();

items.param('id', (request, response, next, id) => next(/^\d{1,9}$/.test(id) ? undefined : notFound()));

items.get('/', async (request, response) => {
  response.json(await query(`SELECT ${COLUMNS} FROM items ORDER BY id DESC LIMIT 100`));
});

items.post('/', async (request, response) => {
  const rows = await query(`INSERT INTO items (name) VALUES ($1) RETURNING ${COLUMNS}`, nameIn(request));
  response.status(201).json(one(rows));
});

items.get('/:id', async (request, response) => {
  response.json(one(await query(`SELECT ${COLUMNS} FROM items WHERE id = $1`, request.params.id)));
});

items.put('/:id', async (request, response) => {
  const sql = `UPDATE items SET name = $1 WHERE id = $2 RETURNING ${COLUMNS}`;
  response.json(one(await query(sql, nameIn(request), request.params.id)));
});

items.delete('/:id', async (request, response) => {
  one(await query('DELETE FROM items WHERE id = $1 RETURNING id', request.params.id));
  response.status(204).end();
});

function nameIn(request) {
  const name = request.body?.name;
  if (typeof name !== 'string' || !name.trim() || name.length > 200) {
    throw Object.assign(new Error('An item needs a name of at most 200 characters.'), { status: 422 });
  }
  return name.trim();
}

function one(rows) {
  if (rows.length === 0) throw notFound();
  return rows[0];
}

function notFound() {
  return Object.assign(new Error('There is no such item.'), { status: 404 });
}

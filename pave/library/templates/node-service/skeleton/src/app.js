// The application: its routes.
import express from 'express';
{%- if values.database %}
import { check } from './database.js';
import { items } from './items.js';
{%- endif %}

export const app = express();

app.disable('x-powered-by');
app.use(express.json());

app.get('/', (request, response) => {
  response.json({ service: '${{ values.name }}' });
});

// Whether the service can do its work; traffic is only sent to it while it can.
{%- if values.database %}
app.get('/healthz', async (request, response) => {
  await check();
  response.json({ status: 'ok' });
});

app.use('/items', items);
{%- else %}
app.get('/healthz', (request, response) => {
  response.json({ status: 'ok' });
});
{%- endif %}

app.use((error, request, response, next) => {
  const status = error.status ?? 500;
  if (status >= 500) console.error(error);
  response.status(status).json({ error: status < 500 ? error.message : 'Something went wrong.' });
});

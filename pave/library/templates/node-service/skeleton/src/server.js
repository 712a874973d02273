// Starts the service, and stops it gracefully. The platform says where to listen in HOST and PORT.
import { app } from './app.js';
{%- if values.database %}
import { start, stop } from './database.js';

await start();
{%- endif %}

const host = process.env.HOST ?? '0.0.0.0';
const port = process.env.PORT ?? 8080;
const server = app.listen(port, host, (error) => {
  if (error) throw error;
  console.log(`listening on ${host}:${port}`);
});

process.once('SIGTERM', () => server.close({% if values.database %}stop{% endif %}));

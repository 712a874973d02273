// Starts the service, and stops it gracefully. The platform says the port in PORT.
import { app } from './app.js';
{%- if values.database %}
import { start, stop } from './database.js';

await start();
{%- endif %}

const port = process.env.PORT ?? 8080;
const server = app.listen(port, (error) => {
  if (error) throw error;
  console.log(`listening on port ${port}`);
});

process.once('SIGTERM', () => server.close({% if values.database %}stop{% endif %}));

// What does not need a database.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { app } from '../src/app.js';

let server;
let url;

before(async () => {
  server = app.listen(0);
  await new Promise((ready) => server.once('listening', ready));
  url = `http://localhost:${server.address().port}`;
});

after(() => server.close());

test('says who it is', async () => {
  const response = await fetch(url);
  assert.deepEqual(await response.json(), { service: '${{ values.name }}' });
});

test('knows what it does not have', async () => {
  assert.equal((await fetch(`${url}/nothing`)).status, 404);
});

// Items, in a real PostgreSQL: set DATABASE_URL to run these.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { app } from '../src/app.js';
import { start, stop } from '../src/database.js';

describe('items', { skip: process.env.DATABASE_URL ? false : 'DATABASE_URL is not set' }, () => {
  let server;

  before(async () => {
    await start();
    server = app.listen(0);
    await new Promise((ready) => server.once('listening', ready));
  });

  after(async () => {
    server.close();
    await stop();
  });

  const send = (method, path, body) =>
    fetch(`http://localhost:${server.address().port}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });

  test('an item is created, read, changed and deleted', async () => {
    const item = await (await send('POST', '/items', { name: 'first' })).json();
    const path = `/items/${item.id}`;
    assert.equal((await (await send('PUT', path, { name: 'renamed' })).json()).name, 'renamed');
    assert.equal((await (await send('GET', path)).json()).name, 'renamed');
    assert.equal((await send('DELETE', path)).status, 204);
    assert.equal((await send('GET', path)).status, 404);
  });

  test('an item needs a name', async () => {
    assert.equal((await send('POST', '/items', { name: ' ' })).status, 422);
  });

  test('is healthy while the database answers', async () => {
    assert.equal((await send('GET', '/healthz')).status, 200);
  });
});

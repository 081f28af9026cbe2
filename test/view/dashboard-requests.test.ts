/** Which requests the dashboard's server accepts, and what it refuses. */
import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import type { ListDocument } from '../../src/view/server/catalog.js';
import { refusalOf } from '../../src/view/server/dashboard.js';
import { Workplace } from '../support/cli.js';
import { ask, makeRun, send, withDashboard } from '../support/dashboard.js';

const work = new Workplace();
t.teardown(() => work.remove());
const newFolder = () => work.folder();

t.test('which requests are allowed', async t => {
  const fetched = (site: string, mode: string, dest: string) => ({
    'sec-fetch-site': site,
    'sec-fetch-mode': mode,
    'sec-fetch-dest': dest,
  });
  const rows: readonly (readonly [status: number | undefined, headers: IncomingHttpHeaders])[] = [
    ...['localhost:1', '127.0.0.1', '[::1]:7420', '192.168.1.7:80'].map(
      host => [undefined, { host }] as const,
    ),
    ...[
      'evil.example',
      'localhost.evil.example:7420',
      '127.0.0.1.nip.example',
      'a@localhost',
      '',
      'localhost/x',
    ].map(host => [421, { host }] as const),
    [421, { host: undefined }],
    [421, { host: 'lab.example:7420' }],
    [undefined, { origin: 'http://127.0.0.1:7420' }],
    ...['http://evil.example', 'null', 'http://127.0.0.1:7421', 'http://localhost:7420'].map(
      origin => [403, { origin }] as const,
    ),
    [undefined, fetched('same-origin', 'cors', 'empty')],
    [403, fetched('cross-site', 'no-cors', 'script')],
    [403, fetched('same-site', 'navigate', 'iframe')],
    // a link
    [undefined, fetched('cross-site', 'navigate', 'document')],
  ];
  for (const [status, headers] of rows)
    t.equal(
      refusalOf('GET', { host: '127.0.0.1:7420', ...headers }, '127.0.0.1')?.status,
      status,
      JSON.stringify(headers),
    );
  const named = { host: 'lab.example:7420' };
  t.equal(refusalOf('GET', named, 'lab.example'), undefined, 'the name that it was told to listen on');
  for (const method of ['POST', 'DELETE', 'OPTIONS', 'TRACE'])
    t.equal(refusalOf(method, named, 'lab.example')?.status, 405);
});

t.test('malformed requests', async t => {
  const root = newFolder();
  const outside = makeRun(newFolder(), {
    name: 'secret',
    id: '20260101T000000Z-00000000',
    status: 'completed',
  });
  makeRun(root, { name: 'a', id: '20260101T000000Z-00000000', status: 'completed' });
  symlinkSync(outside, join(root, 'a', '20260102T000000Z-00000000'));
  symlinkSync(join(outside, '..'), join(root, 'linked'));
  const partly = makeRun(root, { name: 'a', id: '20260103T000000Z-00000000' });
  symlinkSync(join(outside, 'summary.json'), join(partly, 'summary.json'));
  const reading = makeRun(root, { name: 'a', id: '20260104T000000Z-00000000' });
  rmSync(join(reading, 'config.resolved.yaml'));
  symlinkSync('/etc/hostname', join(reading, 'config.resolved.yaml'));
  const extending = makeRun(root, { name: 'a', id: '20260105T000000Z-00000000' });
  writeFileSync(
    join(extending, 'config.resolved.yaml'),
    `extends: ${join(outside, 'config.resolved.yaml')}\nname: a\n`,
  );
  await withDashboard(root, async ({ url }) => {
    const status = async (...asked: Parameters<typeof ask> extends [string, ...infer Rest] ? Rest : never) =>
      (await ask(url, ...asked)).status;
    t.equal(await status('/api/list'), 200);
    t.equal(await status('/api/list', { method: 'HEAD' }), 200);
    t.equal((await ask(url, '/api/list', { method: 'HEAD' })).text, '');
    t.equal(await status('/api/list', { headers: { Host: 'evil.example' } }), 421);
    t.equal(await status('/api/list', { headers: { Origin: 'http://evil.example' } }), 403);
    t.equal(await status('/api/list', { method: 'POST', body: 'x' }), 405);
    for (const path of [
      '/api/runs/../../../etc/passwd',
      '/api/runs/..%2F..%2Fetc%2Fpasswd',
      `/api/runs/${encodeURIComponent(outside)}`,
      '/api/runs/a/..%2fa%2f20260101T000000Z-00000000',
      '/api/runs/a/20260101T000000Z-00000000/summary.json',
      '/api/runs/a/20260102T000000Z-00000000',
      '/api/runs/linked/20260101T000000Z-00000000',
      '/api/sweeps/a/20260101T000000Z-00000000',
      '/api/runs/__proto__',
      '/api/runs/a/20260101T000000Z-00000000/trials/..',
      '/api/comparison?run=a/20260101T000000Z-00000000',
      '/api/comparison?run=a/20260101T000000Z-00000000&run=a/20260102T000000Z-00000000',
      `/api/comparison?run=a/20260101T000000Z-00000000&run=${encodeURIComponent(outside)}`,
      `/api/comparison?${'run=a/20260101T000000Z-00000000&'.repeat(13)}`,
    ])
      t.equal(await status(path), 404, path);
    for (const path of ['/api/runs/%', '/api/runs/%zz', '/api/runs/%c0%ae%c0%ae'])
      t.equal(await status(path), 400, path);
    t.equal(await status('/api/runs/a/20260103T000000Z-00000000'), 409, 'a link in the place of a file');
    t.equal(await status('/api/runs/a/20260104T000000Z-00000000'), 409);
    const linked = '/api/comparison?run=a/20260101T000000Z-00000000&run=a/20260103T000000Z-00000000';
    t.equal(await status(linked), 409, 'nor is it followed in a comparison');
    const extended = await ask(url, '/api/runs/a/20260105T000000Z-00000000');
    t.notMatch(extended.text, 'hidden_size', 'what a run extends is not read');
    const list = JSON.parse((await ask(url, '/api/list')).text) as ListDocument;
    t.same(
      list.runs.map(({ path, state }) => [path, state]),
      [
        ['a/20260101T000000Z-00000000', 'completed'],
        ['a/20260105T000000Z-00000000', 'killed'],
      ],
    );
    t.same(
      list.unreadable.map(({ path }) => path),
      ['a/20260103T000000Z-00000000', 'a/20260104T000000Z-00000000'],
    );
    const { headers } = await ask(url, '/api/list');
    t.match(headers['content-security-policy'], /default-src 'none'/);
    t.equal(headers['x-content-type-options'], 'nosniff');
    t.notOk('access-control-allow-origin' in headers);
    t.equal(headers['cache-control'], 'no-store');
    for (const bytes of [
      'GARBAGE\r\n\r\n',
      'GET / HTTP/1.1\r\n\r\n',
      'GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`,
      'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'CONNECT evil.example:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\x00',
      '',
    ]) {
      const [line] = (await send(url, bytes)).split('\r\n');
      t.match(line, /^(HTTP\/1\.1 4\d\d |$)/, JSON.stringify(bytes.slice(0, 40)));
    }
    t.equal(await status('/api/list'), 200, 'and it still answers');
  });
});

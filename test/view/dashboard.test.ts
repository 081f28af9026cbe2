/**
 * The dashboard's server over real HTTP: what it tells, how it follows files that change under it,
 * and which requests it refuses.
 */
import { deepStrictEqual } from 'node:assert';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { followLog, type LogFollower, type RunHistory, readHistory } from '../../src/run/history.js';
import type { RunReport } from '../../src/view/run-report.js';
import { Catalog, type ListDocument } from '../../src/view/server/catalog.js';
import { refusalOf } from '../../src/view/server/http.js';
import { jsonLines, Workplace } from '../support/cli.js';
import { ask, EventReader, logLines, makeRun, send, withDashboard } from '../support/dashboard.js';
import { callInProcess, callWith, recorder } from '../support/in-process.js';
import { work } from '../support/work.js';

const newFolder = () => work.folder();

/** The history as it is told at the end, whatever was seen on the way. */
function followedToTheEnd(follower: LogFollower): RunHistory {
  while (follower.poll());
  return follower.history;
}

const change = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('append' as const), bytes: fc.integer({ min: 1, max: 900 }) }),
  },
  // what a failed write left of a line is taken back
  fc.record({ kind: fc.constant('take back' as const) }),
  // a resume puts the beginning of the log in its place, by a new file of the same name
  fc.record({
    kind: fc.constant('replace' as const),
    keep: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  fc.record({ kind: fc.constant('remove' as const) }),
);

t.test(
  'a log that is written in pieces, torn and replaced is followed to the same history as is read at its end',
  async () => {
    const whole = Buffer.from(`${logLines(3, 20).join('')}junk\n`);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(change, fc.boolean()), { maxLength: 25 }), async steps => {
        const path = join(newFolder(), 'log.jsonl');
        const follower = followLog(path, 8);
        /** Bytes of `whole` in the file, and how many were there when it was last replaced. */
        let written = 0;
        let kept = 0;
        let version = 0;
        for (const [step, isLooked] of steps) {
          if (step.kind === 'append') {
            const next = whole.subarray(written, Math.min(whole.length, written + step.bytes));
            appendFileSync(path, next);
            written += next.length;
          } else if (step.kind === 'take back' && written > 0) {
            const left = Math.max(kept, whole.lastIndexOf(10, written - 1) + 1);
            // behind what was kept stands the line of the resume
            truncateSync(path, statSync(path).size - (written - left));
            written = left;
          } else if (step.kind === 'remove') {
            rmSync(path, { force: true });
            written = 0;
            kept = 0;
          } else if ('keep' in step && written > 0) {
            const end = whole.lastIndexOf(10, Math.floor(step.keep * (written - 1))) + 1;
            // a resume says so where it goes on
            version += 1;
            const resumed = `{"event":"run.resume","step":${version}}\n`;
            const content = Buffer.concat([whole.subarray(0, end), Buffer.from(resumed)]);
            writeFileSync(`${path}.new`, content);
            renameSync(`${path}.new`, path);
            written = end;
            kept = end;
          }
          if (isLooked) follower.poll();
        }
        const followed = followedToTheEnd(follower);
        const read = readHistory(path, { capacity: 8 });
        follower.close();
        deepStrictEqual(followed, read);
      }),
      { numRuns: 150 },
    );
  },
);

t.test('a line that is too long for an event is one damaged line', t => {
  const path = join(newFolder(), 'log.jsonl');
  const follower = followLog(path, 8);
  const long = 'x'.repeat(9 << 20);
  writeFileSync(path, `{"event":"a"}\n${long}`);
  followedToTheEnd(follower);
  appendFileSync(path, `${long}\n{"event":"b"}\n`);
  const followed = followedToTheEnd(follower);
  t.same(followed, readHistory(path, { capacity: 8 }));
  const first = [{ line: 2, message: 'the line is too long for an event' }];
  t.same(followed.damaged, { count: 1, first });
  follower.close();
  t.end();
});

t.test('the list matches the files and rereads only changed ones', async t => {
  const root = newFolder();
  const id = (day: number) => `2026010${day}T000000Z-00000000`;
  makeRun(root, { name: 'a', id: id(1), status: 'completed', accuracy: 0.75 });
  makeRun(root, { name: 'a', id: id(2) });
  const broken = makeRun(root, { name: 'b', id: id(3), status: 'completed' });
  writeFileSync(join(broken, 'summary.json'), '{');
  const catalog = new Catalog(root);
  await catalog.refresh();
  const before = catalog.list;
  const [done, killed] = before.runs;
  t.match(done, {
    path: `a/${id(1)}`,
    name: 'a',
    state: 'completed',
    seed: 0,
    steps: 6,
    epochs: 2,
    gates: 'failed',
    duration_s: 12.5,
    metrics: [
      { name: 'test.accuracy', value: 0.75 },
      { name: 'test.loss', value: 0.25 },
      { name: 'train.loss', value: 0.5 },
    ],
  });
  // of one that was killed the end of its log tells
  t.match(killed, { state: 'killed', steps: 6, epochs: 2, duration_s: null, gates: null });
  t.same(killed.metrics, [
    { name: 'test.accuracy', value: 1 - 1 / 3 },
    { name: 'test.loss', value: 0.5 },
    { name: 'train.loss', value: 0.5 },
  ]);
  t.match(before.unreadable, [{ path: `b/${id(3)}`, message: /not JSON/ }]);
  await catalog.refresh();
  t.equal(catalog.list, before, 'nothing is read again');
  utimesSync(join(root, 'a', id(1), 'summary.json'), 1, 1);
  appendFileSync(join(root, 'a', id(2), 'log.jsonl'), logLines(3, 3).slice(-5).join(''));
  await catalog.refresh();
  t.equal(catalog.list.runs[1].steps, 9);
  t.equal(catalog.list.deeper, null);
  makeRun(join(root, 'old', 'lab'), { name: 'c', id: id(4) });
  await catalog.refresh();
  t.equal(catalog.list.runs.length, 2);
  t.match(catalog.list, { depth: 2, deeper: 'old/lab' });
});

t.test('a log that is not a file: the list and the run report the same', async t => {
  const root = newFolder();
  const outside = join(newFolder(), 'log.jsonl');
  writeFileSync(outside, logLines(2, 3).join(''));
  const odd: readonly ((path: string) => void)[] = [
    path => execFileSync('sh', ['-c', 'mkfifo "$0"', path]),
    path => symlinkSync(outside, path),
    path => mkdirSync(path),
  ];
  for (const [i, put] of odd.entries()) {
    const directory = makeRun(root, { name: 'a', id: String(i), status: 'completed' });
    rmSync(join(directory, 'log.jsonl'));
    put(join(directory, 'log.jsonl'));
  }
  await withDashboard(root, async ({ url }) => {
    const { unreadable } = JSON.parse((await ask(url, '/api/list')).text) as ListDocument;
    t.equal(unreadable.length, odd.length);
    for (const { path, message } of unreadable) {
      t.match(message, /log\.jsonl: this is (a symbolic link|not a regular file)/);
      t.match(await ask(url, `/api/runs/${path}`), { status: 409, text: JSON.stringify({ error: message }) });
      const page = await EventReader.open(url, `/api/runs/${path}/events`);
      t.match(await page.next(() => true), { event: 'trouble', data: { message } });
      page.close();
    }
  });
});

t.test('a run is sent again with every new point, also after a resume', async t => {
  const root = newFolder();
  const lines = logLines(1, 40);
  const directory = makeRun(root, { name: 'a', id: '20260101T000000Z-00000000', log: lines.slice(0, 10) });
  const log = join(directory, 'log.jsonl');
  const isOpen = () =>
    readdirSync('/proc/self/fd').some(fd => {
      const path = `/proc/self/fd/${fd}`;
      return existsSync(path) && readlinkSync(path).startsWith(root);
    });
  await withDashboard(root, async ({ url }) => {
    const page = await EventReader.open(url, '/api/runs/a/20260101T000000Z-00000000/events');
    const upTo = (last: number) =>
      page.next(({ data }) => {
        const { steps } = (data as RunReport).curves['train.loss'];
        return isDeepStrictEqual(
          steps,
          Array.from({ length: last }, (_, i) => i + 1),
        );
      });
    await upTo(10);
    appendFileSync(log, lines.slice(10, 25).join(''));
    await upTo(25);
    t.ok(isOpen());
    writeFileSync(`${log}.new`, `${lines.slice(0, 5).join('')}{"event":"run.resume","step":5}\n`);
    renameSync(`${log}.new`, log);
    await upTo(5);
    rmSync(directory, { recursive: true });
    const { data } = await page.next(({ event }) => event === 'trouble');
    t.match(data, { message: /the run directory does not exist/ });
    page.close();
    while (isOpen()) await new Promise(resolve => setTimeout(resolve, 5));
    t.pass('the log is closed with the page');
  });
});

t.test('a run, a sweep and a trial by their addresses; a single run as the root', async t => {
  const root = newFolder();
  const id = '20260101T000000Z-00000000';
  const directory = makeRun(root, { name: 'a', id, status: 'completed' });
  const read = async (url: string, path: string) => JSON.parse((await ask(url, path)).text);
  await withDashboard(root, async ({ url }) => {
    const report = await read(url, `/api/runs/a/${id}`);
    t.same(report.curves['test.accuracy'].values, [0.5, 1 - 1 / 3]);
    // one that is made after the list was read
    makeRun(root, { name: 'b', id, status: 'completed' });
    t.match(await read(url, `/api/runs/b/${id}`), { id, name: 'b' });
    t.match(await read(url, `/api/comparison?run=b/${id}&run=a/${id}`), {
      kind: 'comparison',
      comparison: {
        sides: [
          { id: 'A', name: 'b' },
          { id: 'B', name: 'a' },
        ],
      },
      runs: [
        { path: `b/${id}`, side: 'A', report: { id, name: 'b' } },
        { path: `a/${id}`, side: 'B', report },
      ],
    });
  });
  await withDashboard(directory, async ({ url }) => {
    t.same(
      (await read(url, '/api/list')).runs.map(({ path }: { path: string }) => path),
      [id],
    );
    t.match(await read(url, `/api/runs/${id}`), { id });
  });
});

t.test('serve: prints its address, stops cleanly, and reports invalid arguments', async t => {
  const place = new Workplace();
  t.teardown(() => place.remove());
  const root = join(place.path, 'experiments');
  mkdirSync(root);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const { child, finished } = place.start('serve', '--json', '--port', '0');
    const address = await new Promise<string>(resolve =>
      child.stdout?.once('data', chunk => resolve(String(chunk))),
    );
    const { url } = JSON.parse(address);
    t.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    // one that still watches does not keep it from ending
    const page = await EventReader.open(url, '/api/list/events');
    t.equal(page.status, 200);
    if (signal === 'SIGINT') {
      const taken = await place.cellrun('serve', '--port', new URL(url).port);
      t.equal(taken.code, 2);
      t.match(taken.stderr, /the address is already in use/);
    }
    child.kill(signal);
    const { stderr, ...others } = await finished;
    t.same(others, { code: 0, stdout: address });
    t.match(jsonLines(stderr), [
      { level: 'info', url, msg: 'showing the runs of experiments' },
      { level: 'info', signal, msg: 'stopping' },
    ]);
  }
  const open = place.start('serve', '--host', '0.0.0.0', '--port', '0', 'absent');
  // stdout may be read before stderr
  const printed = new Promise(resolve => open.child.stdout?.once('data', chunk => resolve(String(chunk))));
  await open.said('there is no password');
  t.match(await printed, /^http:\/\/localhost:\d+\/\n$/);
  open.child.kill('SIGTERM');
  t.match((await open.finished).stderr, /absent does not exist yet/);
  for (const [args, message] of [
    [['serve', '--port', '70000'], /from 0 to 65535/],
    [['serve', place.file('x.txt', '')], /x\.txt/],
    [['serve', '--host', '203.0.113.1'], /not an address of this machine/],
  ] as const) {
    const { code, stderr } = await place.cellrun(...args);
    t.equal(code, 2, stderr);
    t.match(stderr, message);
  }
});

t.test('serve: text for people on a terminal, and the level of the log', async t => {
  const place = new Workplace();
  t.teardown(() => place.remove());
  // no address of a machine, so that it ends at once
  const words = ['serve', join(place.path, 'absent'), '--host', '203.0.113.1'];
  const warning = `${words[1]} does not exist yet; its runs will appear once it does`;
  const { text, ...io } = recorder();
  await t.rejects(callWith(io, ...words), { exitCode: 2, message: /not an address of this machine/ });
  t.equal(text.err, `warning: ${warning}\n`);
  const said = async (env: Readonly<Record<string, string>>, ...more: readonly string[]) => {
    const { code, stderr } = await callInProcess([...words, ...more], {
      ...place.place,
      env: { ...place.place.env, ...env },
    });
    t.equal(code, 2);
    return stderr === '' ? [] : jsonLines(stderr).map(({ level, msg }) => `${level} ${msg}`);
  };
  const [warned, failed] = [
    `warn ${warning}`,
    /^fatal --host: cannot listen on 203\.0\.113\.1:7420: not an address/,
  ];
  t.match(await said({}), [warned, failed]);
  t.match(await said({ LOG_LEVEL: '' }), [warned, failed], 'as if it were not set');
  t.match(await said({ LOG_LEVEL: 'ERROR' }), [failed]);
  t.match(await said({ LOG_LEVEL: 'error' }, '--log-level', 'trace'), [warned, failed]);
  t.same(await said({}, '--log-level', 'silent'), []);
  t.match(await callInProcess(words, { ...place.place, env: { LOG_LEVEL: 'loud' } }), {
    code: 2,
    stderr: /^--log-level or LOG_LEVEL: invalid value 'loud'\n +expected: trace, debug, info, warn/,
  });
});

t.test('run --dashboard: the run is identical, and the dashboard ends with it', async t => {
  const place = new Workplace();
  t.teardown(() => place.remove());
  const config = {
    dataset: { kind: 'synthetic', problem: 'adding', sequence_length: 10, train_size: 200, test_size: 20 },
    model: { cell: 'lstm', hidden_size: 8, num_layers: 1, head: { from: 'last' } },
    loss: { kind: 'mse' },
    training: { num_epochs: 2, batch_size: 20, log_every: 1 },
  };
  const webasm = ['--backend', 'webasm'];
  const plain = await place.train(config, ...webasm);
  const output = place.folder();
  const file = place.config(config);
  const words = ['run', file, '--json', '--output', output, '--dashboard', ...webasm];
  const { finished, said, child } = place.start(...words);
  await said('Dashboard: http');
  let text = '';
  child.stderr?.on('data', chunk => {
    text += chunk;
  });
  const { code, stdout, stderr } = await finished;
  t.equal(code, 0, stderr);
  const url = /Dashboard: (\S+)/.exec(stderr)?.[1] ?? '';
  t.same(JSON.parse(stdout).metrics, plain.summary.metrics);
  await t.rejects(ask(url, '/api/list'), { code: 'ECONNREFUSED' }, 'it has ended');
  const warnings = text.split('\n').filter(line => line.startsWith('warning'));
  t.same(
    warnings.filter(line => !line.includes('trivial baseline')),
    [],
    'none of the dashboard',
  );
});

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

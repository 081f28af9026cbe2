/**
 * The service of predictions over real HTTP: its predictions are those of `predict`, and a client
 * that misbehaves disturbs no other.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import t, { type Test } from 'tap';
import { openLogger } from '../../src/host/index.js';
import { loadModel, type Prediction, type SequenceValues, type StepValues } from '../../src/index.js';
import { type Model, type Service, servedModels, startService } from '../../src/serve/service.js';
import { Threads } from '../../src/serve/threads.js';
import { checkLooks, chromiumMissing, openPage, startChromium } from '../support/browser.js';
import { jsonLines } from '../support/cli.js';
import { type Answer, ask, defectLog, send } from '../support/dashboard.js';
import { config, crossEntropy, linesOf, predictionCases } from '../support/prediction-cases.js';
import { train, trainUntil } from '../support/runs.js';
import { tone, wav } from '../support/wav.js';
import { work } from '../support/work.js';

const { cases } = predictionCases(work);

type Options = Partial<Parameters<typeof startService>[0]>;

const bugs: unknown[] = [];

async function served(models: readonly Model[], more: Options = {}): Promise<Service> {
  return startService({
    ...{ models, host: '127.0.0.1', port: 0, threads: 2, names: [], version: '1' },
    ...{ timeoutMs: 60_000, maxBytes: 100_000, log: defectLog(bugs) },
    ...more,
  });
}

const trained = new Map<string, Promise<string>>();

/** The run directory of a case. */
function runOf(name: string): Promise<string> {
  const directory =
    trained.get(name) ?? train(work, cases[name].config).then(({ summary }) => summary.directory);
  trained.set(name, directory);
  return directory;
}

const CLASSES = 'csv, a class for each sequence';
const TEXT = 'text, character level';
const models = async (...names: string[]) => {
  const found: Model[] = [];
  for (const name of names) found.push({ ...(await servedModels([await runOf(name)], {}))[0], name });
  return found;
};

const LINES = { 'content-type': 'application/x-ndjson' };

function post(url: string, path: string, body: unknown, headers = {}): Promise<Answer> {
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return ask(url, path, { method: 'POST', body: text, headers });
}

const stream = (url: string, path: string, bodies: readonly unknown[]) =>
  post(url, path, bodies.map(one => `${JSON.stringify(one)}\n`).join(''), LINES);

interface Begun {
  readonly sending: ClientRequest;
  /** The first piece of the response. */
  readonly first: Promise<string>;
  readonly answer: Promise<Pick<Answer, 'status' | 'text'>>;
}

/** A request whose body is sent piece by piece. */
async function begun(url: string, path: string, headers = {}): Promise<Begun> {
  const { hostname, port } = new URL(url);
  const sending = request({ hostname, port, path, method: 'POST', headers, agent: false });
  sending.on('error', () => {});
  let hasBegun: (text: string) => void = () => {};
  const first = new Promise<string>(resolve => {
    hasBegun = resolve;
  });
  const answer = once(sending, 'response').then(async ([response]) => {
    let text = '';
    for await (const chunk of response) {
      hasBegun(String(chunk));
      text += chunk;
    }
    return { status: (response as IncomingMessage).statusCode ?? 0, text };
  });
  answer.catch(() => {});
  sending.flushHeaders();
  return { sending, first, answer };
}

const recording = [
  [100, 0.1],
  [90, -0.2],
  [110, 0.4],
];

/** What a line tells of predictions. */
function told({ kind, ...one }: Prediction): object {
  const { values, probabilities, predicted, probability, text, symbols, symbol } = one as unknown as Record<
    string,
    unknown
  >;
  if (kind === 'value') return { predicted: [...(values as number[])] };
  if (kind === 'sequence') return { symbols, text, probability };
  return {
    predicted,
    probability,
    probabilities: [...(probabilities as number[])],
    ...(symbol !== undefined && { symbol }),
  };
}

t.test('predictions are those of a loaded model, for each kind', async t => {
  const names = [
    ...[CLASSES, 'csv, scaled values, a bidirectional model', 'jsonl, a tag for each word'],
    ...['jsonl, values for each step', TEXT, 'npz, symbols'],
  ];
  const { url, close } = await served(await models(...names));
  t.teardown(close);
  const { models: listed } = JSON.parse((await ask(url, '/models')).text);
  for (const [i, name] of names.entries()) {
    const model = await loadModel(await runOf(name), { backend: 'webasm', threads: 1 });
    const { input } = model;
    const sequences: SequenceValues[] = [1, 2, 3].map(length =>
      Array.from({ length }, (_, step) =>
        input.kind === 'symbol'
          ? (length + step) % input.count
          : Array.from({ length: input.size }, (_, f) => 10 * f + step),
      ),
    );
    const found = linesOf(
      (
        await stream(
          url,
          '/predict',
          sequences.map((steps, k) => ({ model: name, steps, id: `s${k}` })),
        )
      ).text,
    );
    let position = 0;
    for await (const { predictions } of model.predict(sequences)) {
      const each = predictions.map(told);
      const fields = model.form.perStep
        ? Object.fromEntries(Object.keys(each[0]).map(key => [key, each.map(one => Reflect.get(one, key))]))
        : each[0];
      t.match(found[position], { index: position, id: `s${position}`, ...fields }, name);
      position++;
    }
    t.equal(found.length, position);

    const opened = await post(url, '/sessions', { model: name });
    t.equal(opened.status, listed[i].sessions ? 201 : 422, name);
    if (opened.status === 201) {
      const { session } = JSON.parse(opened.text);
      const own = model.session();
      const steps = [...(sequences[2] as StepValues[])];
      const expected: object[] = [];
      for (const [step, values] of steps.entries()) expected.push({ step, ...told(await own.step(values)) });
      const first = JSON.parse((await post(url, `/sessions/${session}`, { steps: steps.slice(0, 1) })).text);
      const others = await stream(url, `/sessions/${session}`, [
        { steps: steps.slice(1, 2) },
        { steps: steps.slice(2) },
      ]);
      t.match([...first.predictions, ...linesOf(others.text)], expected, `${name}, step by step`);
      t.equal((await ask(url, `/sessions/${session}`, { method: 'DELETE' })).status, 204);
      t.match(await post(url, `/sessions/${session}`, { steps }), { status: 404 });
    }
    await model.close();
  }
});

t.test('a line is one that predict prints', async t => {
  const directory = await runOf('jsonl, scaled values');
  const { url, close } = await served(await servedModels([directory], {}));
  t.teardown(close);
  const input = work.file(
    'new.jsonl',
    '{"name": "a", "x": [[100, 0.5], [99, 0]]}\n{"name": "b", "x": [[1, 2]]}\n',
  );
  const { stdout } = await work.cellrun('predict', directory, '--input', input, '--backend', 'webasm');
  const { text, headers } = await stream(url, '/predict', [
    {
      id: 'a',
      steps: [
        [100, 0.5],
        [99, 0],
      ],
    },
    { id: 'b', steps: [[1, 2]] },
  ]);
  const alone = ({ warnings, ...line }: Record<string, unknown>) => line;
  t.same(linesOf(text).map(alone), linesOf(stdout));
  t.equal(headers['content-type'], 'application/x-ndjson');
});

t.test('a language model continues a text as it is written', async t => {
  const { url, close } = await served(await models(TEXT));
  t.teardown(close);
  const model = await loadModel(await runOf(TEXT), { backend: 'webasm', threads: 1 });
  let expected = '';
  for await (const piece of model.generateText('the ', { length: 60, seed: 3 })) expected += piece;
  await model.close();
  t.match(await post(url, '/generate', { prompt: 'the ', length: 60, seed: 3 }), {
    status: 200,
    text: expected,
  });
  t.match(await post(url, '/generate', { temperature: -1 }), { status: 400 });
  const long = await begun(url, '/generate');
  long.sending.end(JSON.stringify({ length: 1_000_000 }));
  await long.first;
  t.match(await post(url, '/predict', { steps: 'the' }), { status: 200 }, 'others have their turn');
  long.sending.destroy();
  await metric(t, url, 'cellrun_requests_in_progress', 1, 'it ends with its client');
});

/** Waits until a measurement has a value: its request may end later than the response. */
async function metric(t: Test, url: string, name: string, value: number, what: string): Promise<void> {
  for (;;) {
    const { text } = await ask(url, '/metrics');
    if (text.split('\n').includes(`${name} ${value}`)) break;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  t.pass(what);
}

t.test('recordings are predicted as `predict` does', async t => {
  const take = (hertz: number, other: number, rate = 8000) => {
    const [first, second] = [tone(other, 800, rate), tone(hertz, 800, rate)];
    return wav(
      first.flatMap((sample, i) => [sample, second[i]]),
      { rate, channels: 2 },
    );
  };
  const names = Array.from({ length: 8 }, (_, i) => [`${i % 2 ? 'high' : 'low'}_${i}.wav`, i] as const);
  const path = work.files(
    Object.fromEntries(names.map(([name, i]) => [name, take(i % 2 ? 900 : 300, 100 * i + 200)])),
  );
  const dataset = {
    ...{ kind: 'audio', path, pattern: '{label}_{take}', target: 'label', target_kind: 'class', channel: 1 },
    ...{ features: { kind: 'log_mel', bands: 6 }, normalize: 'standard', test_fraction: 0.25 },
  };
  const { directory } = (await train(work, config(dataset, crossEntropy, { head: { from: 'mean' } })))
    .summary;
  const [recordings] = await servedModels([directory], {});
  const model = { ...recordings, name: 'sounds' };
  const { url, close } = await served([model, ...(await models(CLASSES))]);
  t.teardown(close);
  const type = { 'content-type': 'audio/wav' };
  for (const rate of [8000, 11025]) {
    const body = take(700, 250, rate);
    const file = join(work.folder(), `${rate}.wav`);
    writeFileSync(file, body);
    const { stdout } = await work.cellrun('predict', directory, '--input', file, '--backend', 'webasm');
    const [{ id, ...expected }] = linesOf(stdout);
    const answer = await post(url, '/predict?model=sounds', body, type);
    t.same([answer.status, JSON.parse(answer.text)], [200, expected], `${rate} Hz`);
  }
  const sound = take(300, 300);
  for (const [status, name, body, error] of [
    [400, 'sounds', sound.subarray(0, 60), /the file ends too early/],
    [400, 'sounds', 'no recording', /not a WAV recording/],
    [400, 'sounds', wav(tone(300, 800)), /the recording has no channel 1/],
    [404, 'other', sound, /there is no such model/],
    [422, CLASSES, sound, /the model does not read recordings/],
  ] as const) {
    const answer = await post(url, `/predict?model=${encodeURIComponent(name)}`, body, type);
    t.match({ ...answer, error: JSON.parse(answer.text).error }, { status, error }, String(error));
  }
  if (chromiumMissing() !== undefined) return;
  const browser = await startChromium();
  t.teardown(() => browser.close());
  const { page } = await openPage(browser, url);
  const file = { name: 'a.wav', mimeType: 'audio/wav', buffer: sound };
  await page.locator('input[type=file]').setInputFiles(file);
  const shown = (await page.locator('#outcome pre').textContent()) ?? '';
  t.same(
    JSON.parse(shown),
    JSON.parse((await post(url, '/predict?model=sounds', sound, type)).text),
    'a page',
  );
});

t.test('requests that are refused', async t => {
  const [first, second] = await models(CLASSES, TEXT);
  const { url, close } = await served([first, second]);
  t.teardown(close);
  const model = CLASSES;
  const schema = JSON.parse((await ask(url, '/openapi.json')).text);
  const isDescribed = new Ajv({ strict: false }).compile(schema.components.schemas.predict);
  const nested = `${'['.repeat(5000)}${']'.repeat(5000)}`;
  const rows: readonly (readonly [status: number, body: unknown, error: RegExp])[] = [
    [400, '{"model":', /body:1:\d+: this is not JSON/],
    [400, '', /this is not JSON/],
    [400, '\xff', /this is not JSON/],
    [400, { model, stps: [[1, 2]] }, /body must have required property 'steps'; body has no key 'stps'/],
    [400, `{"model":"${model}","steps":${nested}}`, /^body: the nesting is too deep$/],
    [400, { model, steps: 5 }, /^body\.steps must be a text, or a list of at least one step$/],
    [400, { model, steps: [] }, /^body\.steps must be a text, or a list of at least one step$/],
    [400, { model, steps: [[1, 2]], id: 1 }, /body\.id must be string/],
    [400, { steps: [[1, 2]] }, /`model` is one of /],
    [404, { model: 'other', steps: [[1, 2]] }, /there is no such model: `model` is one of /],
    [413, { model, steps: Array.from({ length: 30_000 }, () => [1, 2]) }, /at most 100000 bytes/],
    [422, { model, steps: [[1]] }, /sequence 0, step 0 does not fit the model/],
    [422, { model, steps: [[1, 2]], times: [] }, /different number of times and steps/],
  ];
  for (const [status, body, error] of rows) {
    const answer = await post(url, '/predict', body);
    t.match({ ...answer, error: JSON.parse(answer.text).error }, { status, error }, String(error));
    if (typeof body !== 'string' && !/`model`|too long|at most/.test(String(error)))
      t.equal(isDescribed(body), status !== 400, `OpenAPI describes ${error}`);
    t.ok(status === 200 || schema.paths['/predict'].post.responses[status], `${status} is described`);
  }
  const line = { model, steps: recording };
  const lines = linesOf((await stream(url, '/predict', [line, 5, { model, steps: [[1]] }, line])).text);
  t.match(lines, [
    { index: 0, predicted: Number },
    { index: 1, error: 'body must be object' },
    { index: 2, error: 'sequence 0, step 0 does not fit the model' },
    { index: 3, predicted: lines[0].predicted },
  ]);
  const { session } = JSON.parse((await post(url, '/sessions', { model })).text);
  const partly = await post(url, `/sessions/${session}`, { steps: [recording[0], [1], recording[1]] });
  t.match(JSON.parse(partly.text), { error: 'step 1 does not fit the model', predictions: [{ step: 0 }] });
  const next = JSON.parse((await post(url, `/sessions/${session}`, { steps: [recording[1]] })).text);
  t.match(next.predictions, [{ step: 1 }], 'the session goes on without it');

  const asked = (method: string, path: string, headers = {}) => ask(url, path, { method, headers });
  t.match(await asked('GET', '/predict'), { status: 405, headers: { allow: 'POST' } });
  t.match(await asked('POST', '/health'), { status: 405, headers: { allow: 'GET, HEAD' } });
  t.match(await asked('GET', '/nothing'), { status: 404 });
  t.match(await post(url, '/generate', { model }), {
    status: 422,
    text: /only language models can generate/,
  });
  t.match(await asked('POST', '/sessions/unknown'), { status: 400 });
  t.match(await post(url, '/sessions/unknown', { steps: [1] }), { status: 404 });
  t.match(await post(url, '/predict', '{}', { 'content-encoding': 'gzip' }), { status: 415 });
  t.match(await post(url, '/predict', line, { origin: 'http://evil.example' }), { status: 403 });
  t.match(await post(url, '/predict', line, { host: 'evil.example' }), { status: 421 });
  t.match(await asked('GET', '/health', { host: 'models.example:80' }), { status: 421 });
  const named = await served([first], { names: ['models.example'] });
  t.match(await ask(named.url, '/health', { headers: { host: 'models.example:80' } }), { status: 200 });
  await named.close();
});

t.test('clients that misbehave disturb no other', async t => {
  const { url, close } = await served(await models(CLASSES), { timeoutMs: 400 });
  t.teardown(close);
  const { hostname, port } = new URL(url);
  const well = { steps: recording };
  const expected = (await post(url, '/predict', well)).text;
  const same = async (what: string) => t.equal((await post(url, '/predict', well)).text, expected, what);

  const slow = await begun(url, '/predict');
  slow.sending.write('{"steps":');
  const drop = setInterval(() => slow.sending.write(' '), 50).unref();
  const slowLine = await begun(url, '/predict', LINES);
  slowLine.sending.write(`${JSON.stringify(well)}\n{"steps"`);
  // bodies of no stated length, written on after the response
  const huge = await Promise.all(Array.from({ length: 20 }, () => begun(url, '/predict')));
  const flood = setInterval(() => {
    for (const { sending } of huge) sending.write(' '.repeat(50_000));
  }, 5).unref();
  const gone = await begun(url, '/predict');
  gone.sending.write('{"steps":[[1');
  gone.sending.destroy();
  const silent = connect(Number(port), hostname);
  await same('while bodies are slow, huge, and break off');
  for (const { answer } of huge) t.match(await answer, { status: 413 });
  clearInterval(flood);
  t.match(await slow.answer, { status: 408, text: /too slowly/ });
  clearInterval(drop);
  const [first, last] = linesOf((await slowLine.answer).text);
  t.match(
    [first, last],
    [
      { index: 0, predicted: Number },
      { index: 1, error: 'the body came too slowly' },
    ],
  );
  await once(silent.resume(), 'close');
  t.pass('a connection without a request is closed');
  t.match(await send(url, 'POST /predict HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400/);

  // one that reads no response
  const deaf = connect(Number(port), hostname);
  deaf.on('error', () => {});
  deaf.pause();
  deaf.write(
    `POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  const line = `${JSON.stringify({ ...well, id: 'x'.repeat(90_000) })}\n`;
  const more = setInterval(
    () => deaf.writableNeedDrain || deaf.write(`${line.length.toString(16)}\r\n${line}\r\n`),
    5,
  ).unref();
  await new Promise(resolve => deaf.once('close', resolve));
  clearInterval(more);
  await same('after one that does not read');

  const sessions = await Promise.all(Array.from({ length: 20 }, () => post(url, '/sessions', {})));
  t.equal(new Set(sessions.map(({ text }) => text)).size, 20);
  await metric(t, url, 'cellrun_sessions', 20, 'sessions are counted');
  const many = await Promise.all(Array.from({ length: 300 }, () => post(url, '/predict', well)));
  t.ok(
    many.every(({ text }) => text === expected),
    'many at once',
  );
  const { text } = await ask(url, '/metrics');
  t.match(text, /^cellrun_requests_total\{route="\/predict",status="408"\} 1$/m);
  t.match(text, /^cellrun_requests_total\{route="\/predict",status="413"\} 20$/m);
  t.match(text, /^cellrun_predictions_total\{model="csv, a class for each sequence"\} [1-9]\d+$/m);
  for (const one of text.trimEnd().split('\n'))
    t.match(one, /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z_]+="[^"]*",?)+\})? [\d.e+-]+)$/);
  t.same(bugs, []);
});

t.test('a computation that does not end, and one that ends its thread', async t => {
  const [model] = await models(CLASSES);
  // the real module, with an accident for certain ids
  const code = `const own = (() => { ${model.code} })();
    const predict = given => {
      if (given.id === 'hangs') for (;;);
      if (given.id === 'ends') process.exit();
      if (given.id === 'fails') throw new TypeError('a bug');
      return own.predict(given);
    };
    return { ...own, predict };`;
  const { url, close } = await served([{ ...model, code }], { timeoutMs: 1000, threads: 1 });
  t.teardown(close);
  const well = { steps: recording };
  const expected = (await post(url, '/predict', well)).text;
  const { session } = JSON.parse((await post(url, '/sessions', {})).text);
  for (const [id, status] of [
    ['fails', 500],
    ['hangs', 504],
    ['ends', 500],
  ] as const) {
    const [wrong, ...others] = await Promise.all([
      post(url, '/predict', { ...well, id }),
      ...Array.from({ length: 5 }, () => post(url, '/predict', well)),
    ]);
    t.match(wrong, { status, text: /"error"/ }, id);
    t.notMatch(wrong.text, /TypeError/);
    t.same(
      others.map(({ text }) => text),
      Array.from({ length: 5 }, () => expected),
      'others are predicted',
    );
    const step = await post(url, `/sessions/${session}`, { steps: [recording[0]] });
    t.equal(step.status, id === 'fails' ? 200 : 404, 'sessions end with their thread');
  }
  t.match((await ask(url, '/metrics')).text, /^cellrun_thread_restarts 2$/m);
  const hanging = post(url, '/predict', { ...well, id: 'hangs' });
  const healthAfter = async (status: number): Promise<string> => {
    const health = await ask(url, '/health');
    return health.status === status ? healthAfter(status) : health.text;
  };
  t.match(await healthAfter(200), 'no thread answers');
  t.match(await hanging, { status: 504 });
  t.match(await healthAfter(503), 'ok');
  t.match(bugs.splice(0), [/TypeError: a bug/, /the thread of the models has ended/]);
});

t.test('a job that no thread can get takes no place', async t => {
  const [{ code }] = await models(CLASSES);
  const { threads } = await Threads.start({
    ...{ modules: [code], count: 1, timeoutMs: 60_000, onLost: () => {}, log: defectLog(bugs) },
  });
  t.teardown(() => threads.close());
  const predicted = (steps: unknown) =>
    threads.submit({ kind: 'predict', model: 0, index: 0, sequence: { steps: steps as SequenceValues } });
  for (let i = 0; i < 5; i++) await t.rejects(predicted([() => 0]), /could not be cloned/);
  t.match(JSON.parse(await predicted(recording)), { predicted: Number });
  t.equal(threads.restarts, 0);
});

t.test('the service stops when what has begun is answered', async t => {
  const directory = await runOf(CLASSES);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const level = signal === 'SIGINT' ? 'silent' : 'info';
    const words = ['serve', directory, '--predict', '--json', '--port', '0'];
    const { child, finished } = work.startWith([], words, { LOG_LEVEL: level });
    const [address] = await once(child.stdout!, 'data');
    const { url } = JSON.parse(String(address));
    const body = JSON.stringify({ steps: recording });
    const expected = (await post(url, '/predict', body)).text;
    const kept = await begun(url, '/predict', { connection: 'keep-alive' });
    const lines = await begun(url, '/predict', LINES);
    kept.sending.write(body.slice(0, 9));
    lines.sending.write(`${body}\n`);
    t.equal(await lines.first, expected);
    child.kill(signal);
    t.match(await lines.answer, { status: 200 }, 'a stream ends');
    kept.sending.end(body.slice(9));
    t.match(await kept.answer, { status: 200, text: expected });
    const { stderr, ...others } = await finished;
    t.same(others, { code: 0, stdout: String(address) });
    if (level === 'silent') {
      t.equal(stderr, '');
      continue;
    }
    const request = (status: number) => ({
      level: 'info',
      req: { method: 'POST', url: '/predict', remoteAddress: '127.0.0.1' },
      res: { statusCode: status },
      responseTime: Number,
      msg: `POST /predict ${status}`,
    });
    const records = jsonLines(stderr);
    t.match(records, [
      { level: 'info', url, paths: [directory], msg: `predicting with the models of ${directory}` },
      request(200),
      { level: 'info', signal, msg: 'stopping' },
      request(200),
      request(200),
    ]);
    for (const { time } of records) t.equal(time, new Date(time).toISOString());
  }
});

t.test('the log: levels, no address of a session, and why a thread has failed', async t => {
  const records: { readonly level: string; readonly msg: string }[] = [];
  const log = openLogger(line => records.push(JSON.parse(line)), { level: 'debug' });
  const [model] = await models(CLASSES);
  const fails = `const own = (() => { ${model.code} })();
    return { ...own, predict: () => { throw new TypeError('a bug'); } };`;
  const { url, close } = await served([model, { ...model, name: 'fails', code: fails }], { log });
  const { session } = JSON.parse((await post(url, '/sessions', { model: CLASSES })).text);
  await post(url, `/sessions/${session}`, { steps: [recording[0]] });
  await ask(url, '/health?secret=1');
  await ask(url, '/nowhere');
  await post(url, '/predict', '{');
  await post(url, '/predict', { model: 'fails', steps: recording });
  await close();
  t.same(
    records.map(({ level, msg }) => `${level} ${msg}`),
    [
      'info POST /sessions 201',
      'info POST /sessions/{session} 200',
      'debug GET /health 200',
      'debug GET /nowhere 404',
      'warn POST /predict 400',
      'error a request failed',
      'error POST /predict 500',
    ],
  );
  t.match(records[5], { err: { type: 'Error', stack: /a bug/ } });
  t.notMatch(JSON.stringify(records), new RegExp(`${session}|secret`));
});

t.test('runs that cannot be served, and wrong calls', async t => {
  const directory = await runOf(CLASSES);
  const { summary } = await trainUntil(work, cases[CLASSES].config, 2);
  for (const [args, message] of [
    [['--predict'], /--predict needs runs/],
    [[directory, 'another'], /unexpected argument/],
    [[summary.directory, '--predict'], /this run is not finished/],
    [['nowhere', '--predict'], /nowhere/],
    [[directory, '--timeout', '3'], /--timeout requires --predict/],
  ] as const) {
    const { code, stderr, stdout } = await work.cellrun('serve', '--port', '0', ...args);
    t.match({ code, stderr, stdout }, { code: 2, stderr: message, stdout: '' }, String(message));
  }
  const { stderr } = await work.cellrun('serve', directory, 'another');
  const { time: _, ...record } = JSON.parse(stderr);
  t.same(
    record,
    {
      level: 'fatal',
      code: 'cli/excessArguments',
      expected: 'one directory, or runs with --predict',
      msg: "unexpected argument 'another'",
    },
    'the error is the last record of the log',
  );
});

t.test('the page predicts what one types or drops', { skip: chromiumMissing() ?? false }, async t => {
  const { url, close } = await served(
    await models('jsonl, scaled values', TEXT, 'jsonl, a tag for each word', CLASSES),
  );
  const browser = await startChromium();
  t.teardown(() => Promise.all([browser.close(), close()]));
  const { page, said } = await openPage(browser, url);
  const outcome = page.locator('#outcome');
  const input = page.locator('#input');
  const expectedOf = async (body: object) => JSON.parse((await post(url, '/predict', body)).text);
  const json = async () => JSON.parse((await outcome.locator('pre').textContent()) ?? '');
  const choose = (name: string) => page.getByLabel('Model').selectOption(name);

  await choose(CLASSES);
  await input.fill('b,a\n0.1,100\n,90\n');
  await outcome.getByText('not a finite float32 number').waitFor();
  await input.fill('b,a\n0.1,100\n-0.2,90\n');
  await outcome.locator('meter').first().waitFor();
  const predicted = await expectedOf({
    model: CLASSES,
    steps: [
      [100, 0.1],
      [90, -0.2],
    ],
  });
  t.same(await json(), predicted);
  t.match(await outcome.textContent(), new RegExp(`^${predicted.predicted_name} \\(`));
  await checkLooks(t, page, 'predict-classes');
  await input.fill('[[100, 0.1]]');
  await outcome.getByText(JSON.stringify(predicted.probability)).waitFor({ state: 'detached' });
  t.same(await json(), await expectedOf({ model: CLASSES, steps: [[100, 0.1]] }));

  await choose(TEXT);
  await page
    .locator('input[type=file]')
    .setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('sea') });
  await outcome.getByRole('row').nth(3).waitFor();
  t.same(await json(), await expectedOf({ model: TEXT, steps: 'sea' }), 'a file');
  const dropped = await page.evaluateHandle(
    "(() => { const d = new DataTransfer(); d.items.add(new File(['a whale'], 'b.txt')); return d; })()",
  );
  await page.dispatchEvent('form', 'drop', { dataTransfer: dropped });
  await outcome.getByRole('row').nth(7).waitFor();
  t.same(await json(), await expectedOf({ model: TEXT, steps: 'a whale' }), 'a dropped one');
  await checkLooks(t, page, 'predict-steps');
  await input.fill('');
  await outcome.locator('pre').waitFor({ state: 'detached' });
  t.same(said, ['Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)']);
});

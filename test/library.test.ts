/** What the library does beyond the command line; its examples run in `package.test.ts`. */
import { createReadStream, existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import * as library from '../src/index.js';
import { computeInThreads } from '../src/util/thread.js';
import { work } from './support/work.js';

const { evaluate, loadModel, loadRun, predict, resume, run, sweep, UserError, validate } = library;

const inThreads = computeInThreads(false);
t.teardown(() => computeInThreads(inThreads));

const config = {
  name: 'called',
  dataset: { kind: 'synthetic', problem: 'adding', sequence_length: 6, train_size: 40, test_size: 20 },
  model: { cell: 'gru', hidden_size: 4, head: { from: 'last' } },
  loss: { kind: 'mse' },
  optimizer: { kind: 'adam', learning_rate: 0.01 },
  training: { num_epochs: 3, batch_size: 20 },
} as const;
const webasm = { backend: 'webasm' } as const;

async function refuses(t: Test, promise: Promise<unknown>, error: object): Promise<void> {
  const thrown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  t.ok(thrown instanceof UserError, String(thrown));
  t.match(thrown, error);
}

t.test('these names are exported, and no others', async t => {
  t.same(Object.keys(library).sort(), [
    ...['UserError', 'allowUnlocked'],
    ...['evaluate', 'loadModel', 'loadRun', 'predict', 'resume', 'run', 'sweep', 'validate'],
  ]);
});

t.test('an object trains as the file of the same content does', async t => {
  const output = work.folder();
  const fromObject = await run(config, { ...webasm, output });
  const fromFile = await run(work.config(config), { ...webasm, output });
  t.match(fromObject, { status: 'completed', exitCode: 0 });
  t.equal(fromObject.summary.config_hash, fromFile.summary.config_hash);
  t.same(fromObject.summary.metrics, fromFile.summary.metrics);
  t.equal(dirname(dirname(fromObject.directory)), output);
});

t.test('relative paths of an object start at the working directory', async t => {
  const folder = realpathSync(work.folder());
  const before = process.cwd();
  process.chdir(folder);
  t.teardown(() => process.chdir(before));
  const dataset = { kind: 'npz', path: 'none.npz' } as const;
  const { diagnostics } = await validate({ ...config, dataset, loss: { kind: 'cross_entropy' } });
  t.ok(diagnostics[0].message.startsWith(`${join(folder, 'none.npz')}: `), diagnostics[0].message);
});

t.test('what is wrong is data with a place', async t => {
  const wrong = { ...config, model: { ...config.model, hiden_size: 4 } };
  const { valid, exitCode, diagnostics } = await validate(wrong);
  t.match({ valid, exitCode }, { valid: false, exitCode: 2 });
  t.match(diagnostics, [
    {
      code: 'config/unknown-key',
      file: '<object>',
      line: 14,
      column: 3,
      source: '  hiden_size: 4',
      suggestion: 'hidden_size',
    },
  ]);
  const file = work.config(wrong);
  t.match((await validate(file)).diagnostics, [{ code: 'config/unknown-key', file }]);
  const thrown = await run(wrong).catch((error: unknown) => error);
  t.ok(thrown instanceof UserError);
  t.match(thrown, { exitCode: 2, diagnostics });
  const set = { 'model.hidden_size': -1 };
  t.match((await validate(config, { set })).diagnostics, [{ file: '--set', expected: /\d/ }]);
  t.match(await validate(config, { set: { 'training.batch_size': 10 } }), {
    valid: true,
    exitCode: 0,
    sequences: { train: 40, test: 20 },
  });
  await refuses(t, sweep({ name: 'x', base: 'none.yaml', method: 'grid' }), {
    exitCode: 2,
    diagnostics: [{ file: '<object>' }],
  });
});

t.test('configs of a sweep may be objects', async t => {
  const objective = { metric: 'test.loss', goal: 'minimize' } as const;
  const wide = { ...config, name: 'wide', model: { ...config.model, hidden_size: 8 } };
  const variants = [work.config(config), wide, wide];
  const given = { name: 'both', variants, method: 'grid', objective } as const;
  const { status, directory, summary } = await sweep(given, { ...webasm, output: work.folder(), threads: 1 });
  t.equal(status, 'completed');
  const [narrow, ...wider] = [...summary.top].sort((a, b) => a.trial - b.trial);
  t.same(
    wider.map(({ point }) => point),
    [{ config: 'wide.yaml' }, { config: 'wide-2.yaml' }],
  );
  for (const [trial, alone] of [[narrow, config] as const, ...wider.map(trial => [trial, wide] as const)]) {
    const { summary } = await run(alone, { ...webasm, output: work.folder() });
    t.equal(trial.value, summary.metrics.test?.loss, 'as trained alone');
  }
  t.equal((await sweep(directory, webasm)).status, 'completed', 'the directory has all configs');
  const text = readFileSync(join(directory, 'sweep.yaml'), 'utf8');
  for (const [path] of text.matchAll(/configs\/.*\.yaml/g)) t.ok(existsSync(join(directory, path)), path);

  const method = 'grid';
  const base = { ...config, loss: { kind: 'mes' } } as unknown as library.ConfigObject;
  await refuses(t, sweep({ name: 'x', base, method, objective, seeds: [0, 1] }), {
    exitCode: 2,
    diagnostics: [{ file: '<object>', source: '  kind: mes', suggestion: 'mse' }],
  });
});

t.test('a signal stops a run, which can be resumed', async t => {
  const whole = await run(config, { ...webasm, output: work.folder() });
  const stop = new AbortController();
  const told: string[] = [];
  const stopped = await run(config, {
    ...webasm,
    output: work.folder(),
    signal: stop.signal,
    onProgress: progress => {
      told.push(progress.type);
      if (progress.type === 'step' && progress.step === 3) stop.abort();
    },
  });
  t.match(stopped, { status: 'interrupted', exitCode: 130 });
  t.equal(told[0], 'begin');
  t.equal(told.filter(type => type === 'step').length, 3);
  t.ok(told.includes('checkpoint'));
  const evaluated: library.RunProgress[] = [];
  const ended = await resume(stopped.directory, {
    onProgress: progress => {
      if (progress.type === 'evaluated') evaluated.push(progress);
    },
  });
  t.equal(ended.status, 'completed');
  t.same(ended.summary.metrics, whole.summary.metrics);
  const last = { split: 'test', step: 6, epoch: 3, metrics: { loss: whole.summary.metrics.test.loss } };
  t.match(evaluated.at(-1), last);
  await refuses(t, resume(work.folder()), { exitCode: 2 });
});

t.test('a trained run is evaluated, predicted and read', async t => {
  const file = work.file('series.csv', csvOf(12));
  const series = {
    ...config,
    dataset: {
      kind: 'csv',
      path: file,
      sequence: { group: 'id' },
      features: ['x'],
      target: 'y',
      target_kind: 'value',
      test_fraction: 0.25,
    },
  } as const;
  const checked = await validate(series);
  t.same(checked.diagnostics, []);
  const { directory, summary } = await run(series, {
    ...webasm,
    output: work.folder(),
    set: { 'training.batch_size': 3 },
  });
  const { loss, metrics, count, step } = await evaluate(directory, webasm);
  t.same({ loss, ...metrics }, summary.metrics.test);
  t.match({ count, step }, { count: 3, step: 9 });
  const stop = new AbortController();
  const aborted = evaluate(directory, { ...webasm, signal: stop.signal, onProgress: () => stop.abort() });
  await t.rejects(aborted, { name: 'AbortError' });

  const collect = async (source: library.PredictionSource, options?: library.PredictOptions) => {
    const found: library.SequencePrediction[] = [];
    for await (const one of predict(directory, source, { ...webasm, ...options })) found.push(one);
    return found;
  };
  const fromFile = await collect(file);
  t.equal(fromFile.length, 12);
  t.same(await collect(createReadStream(file)), fromFile);
  const given = Array.from({ length: 12 }, (_, i) => ({ id: `s${i}`, steps: stepsOf(i) }));
  t.same(
    (await collect(given)).map(({ predictions }) => predictions),
    fromFile.map(({ predictions }) => predictions),
  );
  t.equal((await collect({ split: 'train' })).length, 9);
  for (const source of [file, given, { split: 'train' } as const])
    t.same(await collect(source, { limit: 5 }), (await collect(source)).slice(0, 5));
  await refuses(t, collect({ split: 'validation' }), { exitCode: 2 });
  const rejected: number[] = [];
  const wrong = [[[Number.NaN]], ...given];
  t.equal((await collect(wrong, { onRejected: (_, index) => rejected.push(index) })).length, 12);
  t.same(rejected, [0]);
  await refuses(t, collect(wrong), { exitCode: 5 });
  for await (const { index } of predict(directory, file, webasm)) {
    t.equal(index, 0);
    break;
  }
  const model = await loadModel(directory, webasm);
  t.equal(model.form.kind, 'value');
  await model.close();

  const loaded = loadRun(directory);
  t.match(loaded, { directory, name: 'called', state: 'completed', config: { model: { hidden_size: 4 } } });
  t.same(loaded.summary, summary);
  t.equal(loaded.manifest?.parameters, summary.parameters);
  t.equal(loaded.evaluation?.kind, 'value');
  const { steps, values } = loaded.history()['test.loss'];
  t.equal(steps.at(-1), 9);
  t.equal(values.at(-1), summary.metrics.test.loss);
  const best = loaded.checkpoints.find(checkpoint => checkpoint.best);
  t.same(best?.tensors().get('fc.weight')?.shape, [1, 4]);
  t.throws(() => loadRun(work.folder()), UserError);
});

t.test('a closed model rejects every call', async t => {
  const dataset = { kind: 'csv', path: work.file('closed.csv', csvOf(12)) } as const;
  const columns = { sequence: { group: 'id' }, features: ['x'], target: 'y', target_kind: 'value' } as const;
  const { directory } = await run(
    { ...config, dataset: { ...dataset, ...columns, test_fraction: 0.25 } },
    { ...webasm, output: work.folder(), set: { 'training.batch_size': 3, 'training.num_epochs': 1 } },
  );
  const closed = { exitCode: 2, diagnostics: [{ code: 'model/closed', message: 'the model is closed' }] };
  for (const threads of [1, 2]) {
    const model = await loadModel(directory, { ...webasm, threads });
    const session = model.session();
    await session.step([0.5]);
    const [first, ...others] = Array.from({ length: 20 }, () => session.step([0.5]));
    const slow = model.predict(Array.from({ length: 12 }, (_, i) => stepsOf(i)));
    await Promise.all([first, slow.next()]);
    const ends = Promise.all(others).catch((error: unknown) => error);
    await model.close();
    const end = await ends;
    t.ok(
      Array.isArray(end) || (end instanceof UserError && end.message === 'the model is closed'),
      String(end),
    );
    await model.close();
    await refuses(t, session.step([0.5]), closed);
    await refuses(t, model.predict([stepsOf(0)]).next(), closed);
    await refuses(t, model.predictFile(dataset.path).next(), closed);
    await refuses(
      t,
      Promise.resolve().then(() => model.session()),
      closed,
    );
    t.equal(model.form.kind, 'value', 'what it is like is still known');
  }
});

t.test('wrong arguments of JavaScript callers are errors with a sentence', async t => {
  // biome-ignore lint/suspicious/noExplicitAny: no compiler has checked these calls
  const js = library as any;
  const { directory } = await run(config, {
    ...webasm,
    output: work.folder(),
    set: { 'training.num_epochs': 1 },
  });
  const model = await js.loadModel(directory, webasm);
  t.teardown(() => model.close());
  const wrong: readonly (readonly [call: () => unknown, message: RegExp])[] = [
    [() => js.run(), /^run\(\): `config` must be the path .*, not undefined$/],
    [() => js.run(''), /not ""$/],
    [() => js.run([config]), /not a list$/],
    [() => js.run(config, null), /^run\(\): `options` must be an object of options, not null$/],
    [() => js.run(config, { threads: '2' }), /`threads` must be a whole number from 1, not "2"$/],
    [() => js.run(config, { signal: {} }), /must be an AbortSignal, not an object/],
    [() => js.run(config, { backend: 'gpu' }), /one of auto, webgpu, webasm, cpu, gpu\.js, not "gpu"$/],
    [() => js.run(config, { bakend: 'cpu' }), /^run\(\): .* did you mean `backend`\?$/],
    [() => js.run(config, { zzz: 1 }), /^run\(\): there is no option `zzz`$/],
    [() => js.run(config, { thread: 0, outptu: 'x' }), /`threads`\?\n.*`output`\?$/],
    [() => js.resume('x', { allowChange: 'seed' }), /must be a list of strings/],
    [() => js.evaluate('x', { checkpoint: 'bset' }), /'last', 'best' or the step/],
    [() => js.sweep(), /^sweep\(\): `sweep` must be the path/],
    [() => js.loadModel('x', { wieghts: 'average' }), /did you mean `weights`/],
    [() => js.predict('x').next(), /^predict\(\): `source` must be a path, a stream/],
    [() => js.predict('x', { split: 'all' }).next(), /`source`/],
    [() => js.predict('x', { split: 'test', limit: 2 }).next(), /`limit`; options are the third argument$/],
    [() => js.loadRun(), /^loadRun\(\): `directory`/],
    [() => model.predict(), /^predict\(\): `sequences` must be an iterable/],
    [() => model.predictFile(5), /^predictFile\(\): `input`/],
    [() => model.generate([0], { length: -1 }), /`length` must be a whole number from 0, not/],
    [() => model.predict([{}]).next(), /^sequence 0 is not a sequence$/],
    [() => model.session().step(), /^step 0 does not fit the model$/],
  ];
  for (const [call, message] of wrong) await refuses(t, (async () => call())(), { message });
  t.match(await js.validate(config, { sett: {} }), { valid: false, diagnostics: [{ suggestion: 'set' }] });
  t.match(await validate(config, { set: undefined }), { valid: true }, 'an option may be undefined');
});

function stepsOf(sequence: number): number[][] {
  return Array.from({ length: 4 }, (_, step) => [Math.sin(sequence + step)]);
}

/** Sequences of 4 steps, each with a number to predict. */
function csvOf(sequences: number): string {
  const rows = Array.from({ length: sequences }, (_, i) => stepsOf(i).map(([x]) => `s${i},${x},${i / 10}`));
  return `id,x,y\n${rows.flat().join('\n')}\n`;
}

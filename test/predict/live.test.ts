/** Live recordings: a session predicts from samples what `predict` does from the file. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t from 'tap';
import { loadModel, type Model, type Prediction, type Session, type UserError } from '../../src/index.js';
import { packageRoot } from '../../src/util/root.js';
import { callInProcess } from '../support/in-process.js';
import { config, crossEntropy } from '../support/prediction-cases.js';
import { train } from '../support/runs.js';
import { tone, wav } from '../support/wav.js';
import { work } from '../support/work.js';

const digits = join(packageRoot, 'test/fixtures/audio/digits');

/** Learns which of two digits is spoken. */
async function trainDigits(model: object = {}, data: object = {}): Promise<string> {
  const dataset = {
    ...{ kind: 'audio', path: join(digits, '*.wav'), pattern: '{digit}_{speaker}_{take}' },
    ...{ target: 'digit', target_kind: 'class', features: { kind: 'log_mel', bands: 12, deltas: 1 } },
    ...{ normalize: 'standard', test: { column: 'take', is: 2 }, ...data },
  };
  const more = { num_epochs: 8, batch_size: 4 };
  const { summary } = await train(work, config(dataset, crossEntropy, { hidden_size: 8, ...model }, more));
  return summary.directory;
}

const digitRun = trainDigits();

async function opened(directory: string): Promise<Model> {
  const model = await loadModel(directory, { backend: 'webasm', threads: 1 });
  t.teardown(() => model.close());
  return model;
}

/** The samples of a file that has the shortest header. */
const samplesOf = (bytes: Buffer) => new Int16Array(Uint8Array.from(bytes.subarray(44)).buffer);

/** The predictions of samples that come in pieces of `size`, which are not awaited. */
async function listen(session: Session, samples: Int16Array, size: number): Promise<Prediction[]> {
  const found: Promise<Prediction[]>[] = [];
  for (let at = 0; at < samples.length; at += size) found.push(session.push(samples.slice(at, at + size)));
  found.push(session.end());
  return (await Promise.all(found)).flat();
}

async function ofFile(model: Model, path: string): Promise<Prediction> {
  for await (const { predictions } of model.predictFile(path)) return predictions[0];
  throw new Error('no prediction');
}

/** All but the place of a prediction. */
const outputs = (one: Prediction | undefined) => (one?.kind === 'class' ? [...one.logits] : one);

for (const stack of [1, 3]) {
  t.test(`a spoken digit, ${stack} frames at a time`, async t => {
    const model = await opened(await (stack === 1 ? digitRun : trainDigits({ steps: { stack } })));
    const session = model.session();
    for (const name of ['1_theo_2.wav', '6_theo_2.wav', '1_jackson_2.wav']) {
      const path = join(digits, name);
      const samples = samplesOf(readFileSync(path));
      const want = await ofFile(model, path);
      t.match(want, { name: name[0] }, 'the digit is recognized');
      const frames = 1 + Math.floor((samples.length - 200) / 80);
      for (const size of [samples.length, 333, 80]) {
        const found = await listen(session, samples, size);
        t.equal(found.length, Math.ceil(frames / stack), 'a prediction at each step');
        t.same(outputs(found.at(-1)), outputs(want), `${name} in pieces of ${size}, to the bit`);
        const ends = [stack, 3 * stack, frames].map(count => String((80 * (count - 1) + 200) / 8000));
        t.same([found[0].time, found[2].time, found.at(-1)?.time], ends, 'the ends of steps');
      }
    }
    t.same(await session.end(), [], 'without samples there are no steps');
    const [one] = await listen(session, Int16Array.of(1), 1);
    t.match(one, { step: 0, kind: 'class', time: '0.025' }, 'a recording shorter than a frame');
  });
}

t.test('samples are integers or numbers', async t => {
  const model = await opened(await digitRun);
  const integers = samplesOf(readFileSync(join(digits, '6_theo_2.wav')));
  const numbers = Float64Array.from(integers, one => one / 2 ** 15);
  const want = await model.session().push(integers);
  // the slopes of the last two frames need those after them
  t.equal(want.length, 1 + Math.floor((integers.length - 200) / 80) - 2);
  for (const samples of [numbers, Float32Array.from(numbers), [...numbers]])
    t.same(await model.session().push(samples), want);
});

t.test('the program reads samples from standard input', async t => {
  const directory = await digitRun;
  const path = join(digits, '6_jackson_2.wav');
  const given = ['predict', directory, '--input', '-', '--rate', '8000'];
  const linesIn = (stdout: string) => stdout.split('\n').slice(0, -1);
  const piped = async (bytes: Buffer, ...flags: string[]) => {
    // an odd number of bytes cuts samples in two
    const count = Math.ceil(bytes.length / 1001);
    const chunks = Array.from({ length: count }, (_, i) => bytes.subarray(1001 * i, 1001 * (i + 1)));
    const stdin = Readable.from(chunks);
    const finished = await callInProcess([...given, ...flags], { ...work.place, stdin });
    return { ...finished, lines: linesIn(finished.stdout) };
  };
  const file = await work.cellrun('predict', directory, '--input', path);
  const { index: _, id: __, ...want } = JSON.parse(file.stdout);
  const samples = readFileSync(path).subarray(44);
  const { code, stderr, lines } = await piped(samples);
  t.same([code, stderr], [0, '']);
  const found = lines.map(text => JSON.parse(text));
  const { index, time, ...last } = found.at(-1);
  t.same(last, want, 'the last line has the class of the recording');
  t.same(
    found.map(one => one.index),
    found.map((_, i) => i),
  );
  t.ok(
    found.slice(0, -1).every((one, i) => one.predicted !== found[i - 1]?.predicted),
    'other lines have a new class',
  );
  t.ok(Number(time) <= samples.length / 16000 && Number(time) > samples.length / 16000 - 0.035, time);
  t.equal(index, lines.length - 1);
  const live = work.start(...given);
  live.child.stdin?.end(samples);
  t.match(await live.finished, { code: 0, stderr: '', stdout: `${lines.join('\n')}\n` }, 'from a pipe');
  const table = await piped(samples, '--format', 'csv', '--top', '1');
  t.match(table.lines[0], /^index,time,predicted,predicted_name,probability,top_1,/);
  t.equal(table.lines.length, lines.length + 1);
  t.same((await piped(samples, '--limit', '1')).lines, lines.slice(0, 1));
  t.match(await piped(Buffer.alloc(0)), {
    code: 0,
    stdout: '',
    stderr: '<stdin>: no prediction: there are no samples',
  });
  t.match(await piped(readFileSync(path)), {
    code: 2,
    stderr: '<stdin>: the input is a WAV file, whose header has its rate',
  });
  t.match(await work.cellrun('predict', directory, '--input', path, '--rate', '8000'), {
    code: 2,
    stderr: '--rate is for samples from standard input',
  });
});

t.test('symbols as they are heard, at another rate', async t => {
  const folder = work.folder();
  const spoken = (letters: string, shift: number, rate = 8000) =>
    wav(
      [...letters].flatMap(letter => [
        ...tone((letter === 'a' ? 300 : 900) + shift, 0.1 * rate, rate),
        ...new Array(0.06 * rate).fill(0),
      ]),
      { rate },
    );
  const texts = ['a', 'b', 'ab', 'ba', 'aa', 'bb', 'aba', 'bab', 'abb', 'baa', 'aab', 'bba'];
  for (const [take, text] of [...texts, ...texts].entries())
    writeFileSync(join(folder, `${text}_${take}.wav`), spoken(text, take));
  const dataset = {
    ...{ kind: 'audio', path: folder, pattern: '{letters}_{take}', target: 'letters' },
    ...{ target_kind: 'sequence', target_level: 'character', test: { fraction: 0.25 } },
    ...{ features: { kind: 'log_mel', bands: 8 }, normalize: 'standard' },
  };
  const model = { hidden_size: 12, head: { from: 'every' }, steps: { stack: 3 } };
  const training = { num_epochs: 40, batch_size: 4 };
  const { summary } = await train(work, config(dataset, { kind: 'ctc' }, model, training));
  const live = await opened(summary.directory);
  const session = live.session({ rate: 16000 });
  for (const text of ['abba', 'b', 'aabab']) {
    const bytes = spoken(text, 5, 16000);
    const want = await ofFile(live, work.file('new.wav', bytes));
    if (want.kind !== 'sequence') throw new Error('of another kind');
    t.equal(want.text, text, 'the letters are recognized');
    const found = await listen(session, samplesOf(bytes), 1000);
    const begun = found.flatMap(one => (one.kind === 'sequence' ? [one] : []));
    t.ok(begun.length > 0 && begun.every(({ symbols }) => symbols.length === 1), 'steps with a symbol');
    t.same(
      begun.flatMap(one => one.symbols),
      want.symbols,
    );
    t.same(
      begun.flatMap(one => one.alignment),
      want.alignment,
      'the steps of the data',
    );
  }
  await t.rejects(session.step([]), { message: /the steps of the model are not those/ });
});

t.test('what is refused', async t => {
  const model = await opened(await digitRun);
  const session = model.session();
  const wrong: readonly (readonly [unknown, string])[] = [
    [Buffer.from('abcd'), 'the samples do not fit'],
    [0.5, 'the samples do not fit'],
    [[0, 0.5, Number.NaN], 'sample 2 is not a finite float32 number'],
    [Float64Array.of(1e300), 'sample 0 is not a finite float32 number'],
  ];
  for (const [samples, message] of wrong)
    await t.rejects(session.push(samples as number[]), { message, exitCode: 5 });
  t.same((await session.end()).length, 0, 'nothing was added');
  for (const rate of [0, 8000.5, 2 ** 21])
    t.throws(() => model.session({ rate }), { message: /`rate` must be a whole number from 1 to 1048576/ });
  const both = await opened(await trainDigits({ bidirectional: true }));
  t.throws(() => both.session({ rate: 8000 }), { message: /from both ends/ });
  for (const [normalize_per, over] of [
    ['recording', 'their frames'],
    ['speaker', 'the recordings of their speaker'],
  ]) {
    const scaled = await opened(await trainDigits({}, { normalize_per }));
    const message = `recordings are scaled over all of ${over}, so the model cannot run step by step`;
    t.throws(() => scaled.session(), { message });
  }

  const path = work.file('steps.csv', 'g,x,y\n1,0,a\n2,1,b\n3,0,a\n4,1,b\n');
  const table = {
    ...{ kind: 'csv', path, features: ['x'], target: 'y', target_kind: 'class' },
    ...{ sequence: { group: 'g' }, test_fraction: 0.5 },
  };
  const { summary } = await train(work, config(table, crossEntropy));
  const other = await opened(summary.directory);
  const refused = { exitCode: 2, message: 'the model does not read recordings, so it takes no samples' };
  t.throws(() => other.session({ rate: 8000 }), refused as unknown as UserError);
  await t.rejects(other.session().push([0]), refused);
  await t.rejects(other.session().end(), refused);
  t.match(await work.cellrun('predict', summary.directory, '--input', '-', '--rate', '8000'), {
    code: 2,
    stderr: '--rate: this is for models trained on `dataset.kind: audio`, not `csv`',
  });
});

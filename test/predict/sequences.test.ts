/** Models that predict sequences of symbols: evaluations, predictions, new data with targets. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { validateAgainst } from '../../src/config/schema/validate.js';
import { recordProblems } from '../../src/data/synthetic/records.js';
import { loadModel, predict as runPredict, type SymbolsPrediction } from '../../src/index.js';
import { textOfSymbols } from '../../src/predict/predictions.js';
import type { SequenceEvaluation } from '../../src/tasks/facts.js';
import { RandomStream } from '../../src/util/random.js';
import { floats, integers, npz } from '../support/cli.js';
import { config, type Line, linesOf, noise } from '../support/prediction-cases.js';
import { train } from '../support/runs.js';
import { work } from '../support/work.js';

const webasm = ['--backend', 'webasm', '--threads', '1'];

/** A word of 2 to 8 letters, and its sound: some letters are silent. */
function word(i: number): readonly [word: string, sound: readonly string[]] {
  const letters = Array.from({ length: 2 + ((i * 5) % 7) }, (_, k) => 'abcdef'[(i * 7 + k * k * 3) % 6]);
  const sounds: Readonly<Record<string, string>> = { b: 'B', c: 'K', d: 'DH', f: 'F' };
  return [letters.join(''), letters.flatMap(letter => sounds[letter] ?? [])];
}

const records = (name: string, from: number, count: number, of: (sound: readonly string[]) => unknown) => {
  const lines = Array.from({ length: count }, (_, i) => {
    const [x, sound] = word(from + i);
    // every fifth has another target as well
    const targets = i % 5 === 0 ? [sound, sound.slice(1)] : [sound];
    return targets.map(y => `${JSON.stringify({ x, y: of(y) })}\n`).join('');
  });
  return work.file(name, lines.join(''));
};

const CTC = { kind: 'ctc', on_impossible: 'skip' };
const MODEL = { head: { from: 'every' }, bidirectional: true, embedding: { size: 4 } };
const TRAINING = { num_epochs: 12, batch_size: 8, eval_batch_size: 10 };

const jsonl = (of: (sound: readonly string[]) => unknown, more: object) => {
  const [path, test_path] = [records('a.jsonl', 0, 60, of), records('b.jsonl', 300, 27, of)];
  const text = { input: 'x', input_kind: 'text', level: 'character', target: 'y', target_kind: 'sequence' };
  const data = { kind: 'jsonl', path, test_path, ...text, ...more };
  return { config: { ...config(data, CTC, MODEL, TRAINING), decode: { beam: 4 } }, input: test_path };
};

const tables = () => {
  const table = (name: string, from: number, count: number) => {
    const rows = Array.from({ length: count }, (_, i) => word(from + i)).filter(
      ([, sound]) => sound.length > 0,
    );
    return work.file(name, `x,y\n${rows.map(([x, sound]) => `${x},${sound.join(' ')}\n`).join('')}`);
  };
  const [path, test_path] = [table('a.csv', 0, 60), table('b.csv', 300, 27)];
  const text = { features: ['x'], input_kind: 'text', level: 'character', target: 'y' };
  const target = { target_kind: 'sequence', target_level: 'word' };
  return {
    config: config({ kind: 'csv', path, test_path, ...text, ...target }, CTC, MODEL, TRAINING),
    input: test_path,
  };
};

const arrays = () => {
  const [N, T, S] = [21, 6, 3];
  const part = (from: number) => ({
    x: floats([N, T, 2], i => noise(i + from)),
    y: integers([N, S], i => (i % S < Math.floor(i / S) % 4 ? (i * i) % 5 : -100)),
    lengths: integers([N], i => 5 + (i % 2)),
  });
  const [a, b] = [part(0), part(999)];
  const path = work.file('data.npz', npz({ ...a, x_test: b.x, y_test: b.y, lengths_test: b.lengths }));
  const data = { kind: 'npz', path, target_kind: 'sequence' };
  return {
    config: config(data, CTC, { head: { from: 'every' } }, TRAINING),
    input: work.file('new.npz', npz(b)),
  };
};

/** Dates, some with too few characters for CTC; the input is the test split. */
const dates = () => {
  const data = { kind: 'synthetic', problem: 'dates', train_size: 60, test_size: 27 };
  const stream = RandomStream.of(0, 'data/dates/test');
  const draw = () => recordProblems.dates.draw(stream, { shortest: 1, longest: 1, isTest: true });
  const lines = Array.from({ length: data.test_size }, () => `${JSON.stringify(draw())}\n`);
  return { config: config(data, CTC, MODEL, TRAINING), input: work.file('dates.jsonl', lines.join('')) };
};

const cases = {
  'jsonl, words': jsonl(sound => sound.join(' '), { target_level: 'word' }),
  'jsonl, lists on the disk': jsonl(sound => sound, { memory: 0 }),
  'csv, words': tables(),
  'npz, numbers': arrays(),
  'synthetic, dates': dates(),
};

/** The number of edits by its recursive definition. */
function distance(a: readonly unknown[], b: readonly unknown[]): number {
  if (a.length === 0 || b.length === 0) return a.length + b.length;
  const [[x, ...restOfA], [y, ...restOfB]] = [a, b];
  if (x === y) return distance(restOfA, restOfB);
  return 1 + Math.min(distance(restOfA, restOfB), distance(restOfA, b), distance(a, restOfB));
}

/** The metrics of printed predictions; lines with the same `key` are of one input. */
function measured(lines: readonly Line[], keyOf: (line: Line, i: number) => unknown) {
  const nearest = new Map<unknown, readonly [errors: number, length: number]>();
  lines.forEach((line, i) => {
    const [symbols, target] = [line.symbols, line.target] as unknown[][];
    const [errors, length] = nearest.get(keyOf(line, i)) ?? [Number.POSITIVE_INFINITY, 0];
    const own = distance(symbols, target);
    if (own < errors || (own === errors && target.length > length))
      nearest.set(keyOf(line, i), [own, target.length]);
  });
  const all = [...nearest.values()];
  const sum = (k: 0 | 1) => all.reduce((total, one) => total + one[k], 0);
  const right = all.filter(([errors]) => errors === 0).length;
  return { token_error_rate: sum(0) / sum(1), sequence_accuracy: right / all.length };
}

for (const [name, { config, input }] of Object.entries(cases)) {
  t.test(
    `an evaluation is that of the printed predictions, from a split and from a file: ${name}`,
    async t => {
      const { summary } = await train(work, config);
      const { directory } = summary;
      const split = linesOf((await work.cellrun('predict', directory, ...webasm)).stdout);
      const given = await work.cellrun('predict', directory, '--input', input, ...webasm);
      t.match(given, { code: 0, stderr: '' });
      // impossible sequences are in no split, but have predictions
      const isIn = new Set(split.map(({ symbols, probability }) => JSON.stringify([symbols, probability])));
      const got = linesOf(given.stdout);
      t.ok(got.length >= split.length);
      t.ok(
        [...isIn].every(one =>
          got.some(({ symbols, probability }) => JSON.stringify([symbols, probability]) === one),
        ),
      );
      t.ok(got.every(line => !('target' in line)));
      const { token_error_rate, sequence_accuracy } = summary.metrics?.test ?? {};
      // equal inputs have equal predictions to the last digit; others differ somewhere
      const { token_error_rate: rate, sequence_accuracy: accuracy } = measured(
        split,
        ({ probability }) => probability,
      );
      t.ok(Math.abs(rate - Number(token_error_rate)) < 1e-12, `${rate}, ${token_error_rate}`);
      t.ok(Math.abs(accuracy - Number(sequence_accuracy)) < 1e-12, `${accuracy}, ${sequence_accuracy}`);
      // the arrays are noise
      t.ok(name.startsWith('npz') || Number(token_error_rate) < 0.95, 'has learned something');
      const [whole, ofInput] = await Promise.all(
        [[], ['--input', input]].map(args =>
          work.cellrun('evaluate', directory, ...args, '--json', ...webasm),
        ),
      );
      const { metrics, baselines, ...rest } = JSON.parse(whole.stdout);
      const want = { ...rest, metrics: { input: metrics.test }, baselines: { input: baselines.test } };
      t.same(JSON.parse(ofInput.stdout), want, 'to the bit');
      const document = JSON.parse(readFileSync(join(directory, 'evaluation.json'), 'utf8'));
      t.same(validateAgainst('evaluation', document), []);
      t.match(document, { kind: 'sequence', token_error_rate, sequence_accuracy });
      const edits = Object.values<number>(document.edits).reduce((a, b) => a + b, 0);
      t.equal(
        document.confusions.reduce((total: number, { count }: { count: number }) => total + count, 0),
        edits,
      );
      t.ok(
        document.misread.every(
          ({ errors, alignment }: { errors: number; alignment: { target: number; predicted: number }[] }) =>
            alignment.filter(({ target, predicted }) => target !== predicted).length === errors,
        ),
      );
      checkAlignments(t, document, split);
    },
  );
}

/**
 * Alignments are those of eight printed predictions and of the worst others; each symbol is read
 * once or longer.
 */
function checkAlignments(
  t: Test,
  { alignments, misread, symbol_names }: SequenceEvaluation,
  lines: readonly Line[],
): void {
  const spaced = Array.from({ length: 8 }, (_, i) => Math.floor((i * lines.length) / 8));
  const hasSymbols = (index: number) => (lines[index].symbols as unknown[]).length > 0;
  const worst = misread.map(({ index }) => index).filter(index => !spaced.includes(index));
  t.same(
    alignments?.map(({ index }) => index),
    [...spaced.filter(hasSymbols), ...worst.filter(hasSymbols).slice(0, 4)],
  );
  for (const { index, steps, input, predicted, weights } of alignments ?? []) {
    const named = predicted.map(symbol => symbol_names?.[symbol] ?? symbol);
    t.same(named, lines[index].symbols);
    const bytes = Buffer.from(weights, 'base64');
    t.equal(bytes.length, predicted.length * steps);
    if (input) t.equal(input.length, steps);
    const sumOf = (symbol: number) =>
      bytes.subarray(symbol * steps, (symbol + 1) * steps).reduce((sum, weight) => sum + weight, 0);
    t.ok(
      predicted.every((_, i) => sumOf(i) >= 255 - steps / 2),
      'each symbol is read',
    );
  }
}

t.test('the same evaluation for any number of threads and rows, on the disk and in memory', async t => {
  const { config } = cases['jsonl, words'];
  const documents = await Promise.all(
    [
      { threads: 1, memory: 0, batch: 10 },
      { threads: 2, memory: 100, batch: 33 },
    ].map(async ({ threads, memory, batch }) => {
      const one = {
        ...config,
        dataset: { ...(config.dataset as object), memory },
        training: { ...config.training, eval_batch_size: batch },
      };
      const { summary } = await train(work, one, { threads });
      return readFileSync(join(summary.directory, 'evaluation.json'), 'utf8');
    }),
  );
  t.equal(documents[0], documents[1]);
});

t.test('the likeliest sequences, and where their symbols are read', async t => {
  const { config, input } = cases['jsonl, words'];
  const { summary } = await train(work, config);
  const predict = (...args: string[]) =>
    work.cellrun('predict', summary.directory, '--input', input, '--limit', '9', ...args, ...webasm);
  const lines = linesOf((await predict('--top', '3', '--alignment')).stdout);
  for (const { symbols, text, probability, alignment, top } of lines as unknown as {
    symbols: string[];
    text: string;
    probability: number;
    alignment: number[];
    top: { symbols: string[]; text: string; probability: number }[];
  }[]) {
    t.same(top[0], { symbols, text, probability });
    t.equal(text, symbols.join(' '));
    t.ok(top.every((one, i) => i === 0 || one.probability <= top[i - 1].probability));
    t.equal(alignment.length, symbols.length);
    t.ok(alignment.every((step, i) => i === 0 || step > alignment[i - 1]));
  }
  const csv = (await predict('--format', 'csv', '--alignment')).stdout.split('\n');
  t.equal(csv[0], 'index,id,predicted,probability,alignment');
  t.equal(csv[1].split(',')[2], String(lines[0].text));
  const model = await loadModel(summary.directory, { backend: 'webasm', threads: 1 });
  const [first] = lines;
  for await (const { predictions } of model.predict([word(300)[0]])) {
    t.match(predictions, [
      {
        kind: 'sequence',
        symbols: first.symbols,
        probability: first.probability,
        alignment: first.alignment,
      },
    ]);
  }
  await model.close();
  // more than `decode.beam` of the config
  const wider = linesOf((await predict('--top', '6')).stdout);
  const own = [];
  for await (const { predictions } of runPredict(summary.directory, input, { top: 6, limit: 9 }))
    own.push((predictions[0] as SymbolsPrediction).top);
  t.same(
    own,
    wider.map(({ top }) => top),
    'the same from a program',
  );
  t.ok(own.some(top => top.length === 6));
});

t.test('a finished run can be decoded in another way', async t => {
  const { config } = cases['jsonl, words'];
  const { summary } = await train(work, config);
  const greedy = ['--set', 'decode.beam=1', ...webasm];
  const lines = linesOf((await work.cellrun('predict', summary.directory, ...greedy)).stdout);
  const { stdout } = await work.cellrun('evaluate', summary.directory, '--json', ...greedy);
  const { token_error_rate: rate } = JSON.parse(stdout).metrics.test;
  const printed = measured(lines, ({ probability }) => probability).token_error_rate;
  t.ok(Math.abs(rate - printed) < 1e-12, `${rate}, ${printed}`);
  t.not(rate, summary.metrics?.test.token_error_rate);
});

t.test('texts of listed symbols that differ are different', t => {
  const lists = [['New York', 'Paris'], ['New', 'York Paris'], ['"New', 'York"', 'Paris'], ['', 'a'], ['a']];
  const texts = lists.map(list => textOfSymbols(list, undefined));
  t.same(texts.slice(0, 2), ['"New York" Paris', 'New "York Paris"']);
  t.equal(new Set(texts).size, lists.length);
  t.equal(textOfSymbols(['SH', 'IY'], 'word'), 'SH IY');
  t.equal(textOfSymbols(['"', ' '], 'character'), '" ');
  t.end();
});

const DECODER = { embedding: { size: 4 }, decoder: { cell: 'gru', hidden_size: 4, embedding_size: 3 } };

/** Examples, and whether a path of the loss ctc has room for their targets. */
const EDGES: Readonly<
  Record<string, readonly [examples: Readonly<Record<string, string>>, isShort: boolean]>
> = {
  'one symbol': [{ a: 'X', b: 'X', ab: 'X', ba: '' }, true],
  'one step': [{ a: 'X', b: 'Y', c: '' }, true],
  'targets as long as the inputs': [{ a: 'Y', ab: 'XY', abc: 'XYX' }, true],
  'the longest target for the shortest input': [{ a: 'XYXXYXY', abcabca: 'X', abcabc: '' }, false],
};

for (const [name, [examples, isShort]] of Object.entries(EDGES)) {
  t.test(name, async t => {
    const lines = Object.entries(examples).map(([x, y]) => `${JSON.stringify({ x, y })}\n`);
    const [path, test_path] = ['edges.jsonl', 'same.jsonl'].map(file => work.file(file, lines.join('')));
    const text = { input: 'x', input_kind: 'text', level: 'character' };
    const target = { target: 'y', target_kind: 'sequence', target_level: 'character' };
    const data = { kind: 'jsonl', path, test_path, ...text, ...target };
    const training = { num_epochs: 2, batch_size: 8 };
    for (const [loss, model] of [
      ...(isShort ? [[{ kind: 'ctc' }, MODEL] as const] : []),
      [{ kind: 'cross_entropy' }, DECODER] as const,
    ]) {
      const metrics = ['token_error_rate', 'sequence_accuracy'];
      if (model === DECODER) metrics.push('bits_per_symbol');
      const { summary } = await train(work, config(data, loss, model, { ...training, metrics }));
      const { loss: own = NaN, token_error_rate, sequence_accuracy, bits_per_symbol } = summary.metrics.test;
      t.ok(Number.isFinite(own), `${loss.kind}: loss ${own}`);
      const printed = linesOf((await work.cellrun('predict', summary.directory, ...webasm)).stdout);
      t.same(
        printed.map(({ target }) => (target as string[]).join('')),
        Object.values(examples),
      );
      t.same(
        { token_error_rate, sequence_accuracy },
        measured(printed, (_, i) => i),
      );
      if (model !== DECODER) continue;
      t.ok(Math.abs(Number(bits_per_symbol) * Math.LN2 - own) < 1e-6, `${bits_per_symbol} bits, loss ${own}`);
      const input = (more: string) => ['--input', work.file('new.jsonl', `${lines[0]}${more}`), '--json'];
      const [alone, unknown] = await Promise.all(
        ['', '{"x":"a","y":"XZ"}\n'].map(more =>
          work.cellrun('evaluate', summary.directory, ...input(more), ...webasm),
        ),
      );
      const of = ({ stdout }: { readonly stdout: string }) => JSON.parse(stdout).metrics.input;
      t.equal(of(unknown).loss, of(alone).loss, 'a target with an unknown symbol is no part of the loss');
      t.equal(of(unknown).bits_per_symbol, of(alone).bits_per_symbol);
    }
  });
}

t.test('new data with unknown symbols, without targets, and with too few steps', async t => {
  const { config } = cases['jsonl, words'];
  const { summary } = await train(work, config);
  const evaluate = (lines: readonly object[], ...args: string[]) =>
    work.cellrun(
      ...(['evaluate', summary.directory, '--json'] as const),
      ...['--input', work.file('new.jsonl', lines.map(line => `${JSON.stringify(line)}\n`).join(''))],
      ...[...args, ...webasm],
    );
  const known = { x: 'abcd', y: 'B K' };
  const { metrics: alone } = JSON.parse((await evaluate([known])).stdout);
  const unknown = await evaluate([known, { x: 'abdf', y: 'ZZ ZZ' }, { x: 'ab', y: 'ZZ' }]);
  t.match(unknown, { code: 0, stderr: /new\.jsonl:2.*does not know this symbol of a target.*ZZ/s });
  t.equal(unknown.stderr.match(/does not know/g)?.length, 1, 'once for each symbol');
  const { metrics } = JSON.parse(unknown.stdout);
  t.equal(metrics.input.loss, alone.input.loss, 'no part of the loss');
  t.equal(metrics.input.sequence_accuracy, alone.input.sequence_accuracy / 3);
  const others = await evaluate([known, { x: 'abcd', y: null }, { x: 'b', y: 'B B B' }]);
  t.same(JSON.parse(others.stdout).metrics, alone, 'left out');
  const impossible = await evaluate([known, { x: 'b', y: 'ZZ ZZ' }]);
  t.match(impossible, { code: 0, stderr: '' }, 'a sequence that is left out has no warnings');
});

t.test('a row of arrays whose target is too long has its name', async t => {
  const arrays = (long: number) => ({
    x: integers([6, 3], i => i % 4),
    y: integers([6, 2], i => (i >> 1 === long ? 1 : i % 2)),
    lengths: integers([6], i => (i === long ? 2 : 3)),
  });
  const { x, y, lengths } = arrays(-1);
  const path = work.file('fit.npz', npz({ x, y, lengths, x_test: x, y_test: y, lengths_test: lengths }));
  const dataset = { kind: 'npz', path, target_kind: 'sequence' };
  const { config } = cases['jsonl, words'];
  const { summary } = await train(work, { ...config, dataset, loss: { kind: 'ctc' } });
  const input = work.file('long.npz', npz(arrays(4)));
  t.match(await work.cellrun('evaluate', summary.directory, '--input', input, ...webasm), {
    code: 5,
    stderr: /long\.npz: the target of x\[4\] is too long for its input\n.*\n {2}got: 2 steps\n/,
  });
});

t.test('targets that have no path of the steps are one error for each split', async t => {
  const { config } = cases['jsonl, words'];
  const [path, test_path] = [2, 3].map(count => {
    return work.file(`short-${count}.jsonl`, '{"x":"b","y":"B B"}\n'.repeat(count));
  });
  const dataset = { ...(config.dataset as object), path, test_path };
  const strict = work.config({ ...config, dataset, loss: { kind: 'ctc' } });
  const { code, stderr } = await work.cellrun('validate', strict);
  t.equal(code, 2);
  t.same(stderr.match(/\w+ sequence .* has too few steps .*/g), [
    'training sequence "line 1" has too few steps for its target: 1 step for 2 symbols and 1 repetition; so does 1 other',
    'test sequence "line 1" has too few steps for its target: 1 step for 2 symbols and 1 repetition; so do 2 others',
  ]);
  t.match(stderr, '`model.steps: { repeat: 3 }` to read each step 3 times');
  const repeated = await work.cellrun(
    'validate',
    strict,
    '--set',
    'model.steps.repeat=3',
    'loss.on_impossible=error',
  );
  t.equal(repeated.code, 0, repeated.stderr);
});

t.test('a gate on a metric that trivial baselines of sequences do not have', async t => {
  const { config } = cases['jsonl, words'];
  for (const [loss, metric, expected] of [
    [{ kind: 'ctc' }, 'loss', 'token_error_rate | sequence_accuracy'],
    [{ kind: 'cross_entropy' }, 'bits_per_symbol', 'token_error_rate | sequence_accuracy'],
  ] as const) {
    const decoder = { cell: 'gru', hidden_size: 4, embedding_size: 4 };
    const model = loss.kind === 'ctc' ? config.model : { ...config.model, head: undefined, decoder };
    const gates = ['sequence_accuracy', metric].map(name => ({ metric: `test.${name}`, beats: 'trivial' }));
    const { code, stdout, stderr } = await work.cellrun(
      'validate',
      work.config({ ...config, model, loss, gates }),
    );
    t.match({ code, stdout }, { code: 2, stdout: /: 1 problem\n/ });
    t.match(stderr, `trivial baselines do not have test.${metric}`);
    t.match(stderr, `a metric of validation or test: ${expected}\n`);
  }
});

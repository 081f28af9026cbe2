/** Warnings of sequences that are in two splits. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import {
  type ComparedSequences,
  overlappingSequences,
  sharedSequences,
} from '../../src/config/overlap-check.js';
import { floats, integers, type NpyContent, npz } from '../support/cli.js';
import { work } from '../support/work.js';

const STEPS = 2;

/** A split of sequences of two numbers and a target. */
function split(rows: readonly (readonly number[])[]): ComparedSequences {
  return {
    count: rows.length,
    targets: {
      kind: 'class',
      numClasses: 2,
      perStep: false,
      values: Int32Array.from(rows, row => row[STEPS]),
    },
    read(index, out, offset, stepStride) {
      for (let step = 0; step < STEPS; step++) out[offset + step * stepStride] = rows[index][step];
    },
  };
}

t.test('shared sequences are those that comparing all pairs finds', async () => {
  const row = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.float({ noNaN: true }), fc.nat(1));
  const rows = fc.array(row, { minLength: 1, maxLength: 12 });
  const key = (one: readonly number[]) => one.map(value => (Object.is(value, -0) ? '-0' : value)).join();
  const property = fc.property(rows, rows, rows, (train, validation, common) => {
    // distinct training sequences, so that equal ones count as a leak
    const seen = [...new Map([...train, ...common].map(one => [key(one), one])).values()];
    const held = [...validation, ...common];
    const found = sharedSequences([split(seen), split(held)], { steps: STEPS, width: 1 });
    const known = new Set(seen.map(key));
    const expected = held.filter(one => known.has(key(one))).length;
    if (expected !== (found[0]?.count ?? 0)) return false;
    return found.every(({ example }) => key(held[example.of]) === key(seen[example.among]));
  });
  fc.assert(property, { numRuns: 300 });
});

t.test('no warning if few sequences are distinct', async t => {
  const categories = split(Array.from({ length: 40 }, (_, i) => [i % 3, 0, 0]));
  t.same(sharedSequences([categories, categories], { steps: STEPS, width: 1 }), []);
});

t.test('overlapping sequences are those that comparing all windows finds', async () => {
  const [steps, width] = [20, 2];
  const windows = (starts: readonly number[], lengths: readonly number[]): ComparedSequences => ({
    ...split(starts.map(() => [0, 0, 0])),
    lengths: Int32Array.from(lengths),
    read(index, out, offset, stepStride) {
      out.fill(0, offset, offset + steps * stepStride);
      for (let step = 0; step < lengths[index]; step++)
        // four series, each of 250 places
        for (let f = 0; f < width; f++)
          out[offset + step * stepStride + f] = Math.sin(starts[index] + step) + f;
    },
  });
  const window = fc.tuple(fc.nat(3), fc.nat(40), fc.integer({ min: 4, max: steps }));
  const some = fc.uniqueArray(window, { minLength: 1, maxLength: 8, selector: ([a, b]) => 250 * a + b });
  const property = fc.property(some, some, (train, held) => {
    const startOf = ([series, place]: readonly number[]) => 250 * series + place;
    const [known, tested] = [train, held].map(all =>
      windows(
        all.map(startOf),
        all.map(one => one[2]),
      ),
    );
    const shared = (one: (typeof held)[number], other: (typeof train)[number]) => {
      const after = startOf(one) - startOf(other);
      const common = other[2] - after;
      return after > 0 && common >= 8 && one[2] >= common ? common : 0;
    };
    const expected = held.filter(one => train.some(other => shared(one, other) > 0)).length;
    const [found] = overlappingSequences([known, tested], { steps, width });
    if (found === undefined) return expected === 0;
    const { of, among, steps: example } = found.example;
    return expected === found.count && shared(held[of], train[among]) === example;
  });
  fc.assert(property, { numRuns: 1000 });
});

const config = (dataset: object, loss = 'cross_entropy') => ({
  dataset,
  model: { cell: 'gru', hidden_size: 2 },
  loss: { kind: loss },
  optimizer: { kind: 'adam', learning_rate: 0.1 },
  training: { num_epochs: 1, batch_size: 4 },
});

const warned = async (dataset: object, loss?: string, ...set: string[]): Promise<string[]> => {
  const path = work.config(config(dataset, loss));
  const flags = set.flatMap(one => ['--set', one]);
  const { code, stdout, stderr } = await work.cellrun('validate', path, ...flags);
  if (code !== 0) throw new Error(stderr);
  return `${stdout}${stderr}`
    .split('\n')
    .filter(line => line.includes(' is also in the ') || line.includes(' are also in the '));
};

t.test('texts that differ in rare words are not equal', async t => {
  const lines = (from: number, words: (i: number) => string) =>
    Array.from({ length: 12 }, (_, i) => JSON.stringify({ x: words(from + i), y: i % 2 })).join('\n');
  const texts = (words: (i: number) => string) => ({
    ...{ kind: 'jsonl', input: 'x', input_kind: 'text', level: 'word', min_count: 5 },
    ...{ target: 'y', target_kind: 'class' },
    path: work.file('a.jsonl', lines(0, words)),
    test_path: work.file('b.jsonl', lines(12, words)),
  });
  const found = (words: (i: number) => string) => warned(texts(words), undefined, 'model.embedding.size=2');
  t.same(await found(i => `we met name${i} and name${99 - i}`), []);
  const [told] = await found(i => `we met name${i % 14}`);
  t.match(told, '10 sequences of the test split are also in the training split');
});

t.test('warnings about a leak in an archive or a table name a pair', async t => {
  const part = (first: number, count: number, shift = 0): Record<string, NpyContent> => ({
    x: floats([count, 2, 1], i => Math.sin(first * 2 + i)),
    y: integers([count], i => (first + i + shift) % 2),
  });
  const archive = (test: Record<string, NpyContent>) => {
    const { x, y } = part(0, 20);
    return { kind: 'npz', path: work.file('a.npz', npz({ x, y, x_test: test.x, y_test: test.y })) };
  };
  t.same(await warned(archive(part(20, 5))), []);
  t.same(await warned(archive(part(17, 5, 1))), [], 'with another target they are no copies');
  const [told, ...others] = await warned(archive(part(17, 5)));
  t.match(
    told,
    /3 sequences of the test split are also in the training split, with the same target: x_test\[0\] equals x\[17\]/,
  );
  t.same(others, []);
  // splits of one array in which every row occurs twice
  const twice = part(0, 20);
  const doubled = work.file(
    'twice.npz',
    npz({
      x: floats([40, 2, 1], [...(twice.x.values as Float32Array), ...(twice.x.values as Float32Array)]),
      y: integers([40], i => (i % 20) % 2),
    }),
  );
  const drawn = { kind: 'npz', path: doubled, test_fraction: 0.2, validation: { fraction: 0.2 } };
  const splits = await warned(drawn);
  t.equal(splits.length, 1, 'one warning for all pairs of splits');
  t.ok([...splits[0].matchAll(/ equals /g)].length >= 2, splits[0]);
  const [, one, other] = /x\[(\d+)\] equals x\[(\d+)\]/.exec(splits[0]) ?? [];
  t.equal(Number(one) % 20, Number(other) % 20);

  const row = (i: number) => `${Math.sin(i)},${i / 10}`;
  const table = (name: string, rows: readonly number[]) =>
    work.file(name, `a,y\n${rows.map(row).join('\n')}\n`);
  const csv = {
    kind: 'csv',
    path: table('train.csv', [0, 1, 2, 3, 4]),
    features: ['a'],
    target: 'y',
    target_kind: 'value',
  };
  t.same(await warned({ ...csv, test_path: table('test.csv', [5, 6]) }, 'mse'), []);
  t.match(await warned({ ...csv, test_path: table('test.csv', [5, 3, 6]) }, 'mse'), [
    /1 sequence of the test split is also in the training split, with the same target: line 3 of \S+test\.csv equals line 5 of \S+train\.csv$/,
  ]);
});

t.test('equal inputs are a leak if their targets are alternatives', async t => {
  const lines = (name: string, records: readonly (readonly [x: string, y: string])[]) =>
    work.file(name, records.map(([x, y]) => `${JSON.stringify({ x, y })}\n`).join(''));
  const dataset = {
    ...{ kind: 'jsonl', input: 'x', input_kind: 'text', level: 'character' },
    ...{ target: 'y', target_kind: 'sequence', target_level: 'character' },
    path: lines('words.jsonl', [
      ['read', 'rid'],
      ['lead', 'lid'],
      ['head', 'hed'],
    ]),
    test_path: lines('others.jsonl', [
      ['dead', 'ded'],
      ['lead', 'led'],
    ]),
  };
  const decoder = 'model.decoder={ cell: gru, hidden_size: 2, embedding_size: 2 }';
  t.match(await warned(dataset, undefined, 'model.embedding.size=2', decoder), [
    /1 sequence of the test split is also in the training split: line 2 of \S+others\.jsonl equals line 2 of \S+words\.jsonl$/,
  ]);
});

t.test('shared names are reported before equal sequences', async t => {
  const rows = (first: number) => floats([4, 1, 1], [first, first + 0.1, first + 0.2, first + 0.3]);
  const y = integers([4], [0, 1, 0, 1]);
  const path = work.file(
    'ids.npz',
    npz({
      x: rows(0),
      y,
      ids: integers([4], [11, 12, 13, 14]),
      x_test: rows(1),
      y_test: y,
      ids_test: integers([4], [21, 12, 22, 23]),
    }),
  );
  const { stdout, stderr } = await work.cellrun('validate', work.config(config({ kind: 'npz', path })));
  t.match(`${stdout}${stderr}`, /1 id is in both the training and the test split: "12"/);
  const table = (name: string, ids: string) =>
    work.file(name, `id,a,y\n${[...ids].map((id, i) => `${id},${i},${i % 2}\n`).join('')}`);
  const tables = {
    ...{ kind: 'csv', path: table('train.csv', 'abcd'), test_path: table('test.csv', 'xdyz') },
    ...{ id: 'id', features: ['a'], target: 'y', target_kind: 'class' },
  };
  const file = work.config(config(tables));
  const line =
    readFileSync(file, 'utf8')
      .split('\n')
      .findIndex(text => text.includes('"test_path"')) + 1;
  const named = await work.cellrun('validate', file);
  t.match(
    named.stdout + named.stderr,
    `config.yaml:${line}:18: warning: 1 id is in both the training and the test split`,
  );
});

t.test('a warning counts windows of a series that overlap between splits', async t => {
  const windows = (width: number, stride: number) =>
    [...Array(30).keys()].flatMap(window =>
      [...Array(width).keys()].map(
        step => `${window},${Math.sin((window * stride + step) ** 2)},${window % 2}`,
      ),
    );
  const found = async (width: number, stride: number, select: string) => {
    const dataset = {
      ...{ kind: 'csv', features: ['x'], target: 'y', target_kind: 'class', sequence: { group: 'window' } },
      path: work.file('windows.csv', ['window,x,y', ...windows(width, stride)].join('\n')),
      test: { select, count: 6 },
    };
    const { stdout, stderr } = await work.cellrun('validate', work.config(config(dataset)));
    const pattern =
      /(\d+) sequences? of the test split begins? within .*: the first (\d+) steps of (\d+) are the last of (\d+)/;
    return pattern.exec(`${stdout}${stderr}`)?.slice(1).map(Number);
  };
  const [count, steps, one, other] = (await found(16, 8, 'random')) ?? [];
  t.ok(count >= 2 && count <= 6, `${count}`);
  t.equal(steps, 8);
  t.equal(one, other + 1, 'a window and the one before it');
  t.same(await found(16, 8, 'last'), [1, 8, 24, 23], 'windows at the border of the splits');
  t.equal(await found(16, 16, 'random'), undefined, 'windows that only touch');
});

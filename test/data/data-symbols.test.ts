import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import t from 'tap';
import { checkAgainstData } from '../../src/config/data-check.js';
import { loadExperiment } from '../../src/config/index.js';
import { inputWidth } from '../../src/data/index.js';
import { classes, complaints, fixture, npy, open, sequence } from '../support/data-files.js';

interface Expected {
  readonly shape: number[];
  readonly values: number[];
}

const expectedOf = (name: string): Record<string, Expected> =>
  JSON.parse(readFileSync(fixture(`${name}.json`), 'utf8'));

/** Sequence `i` of NumPy's `[N, T]` array, one symbol a step, 0 from `length` on. */
function numpySequence({ shape: [, steps], values }: Expected, i: number, length = steps): number[][] {
  return Array.from({ length: steps }, (_, s) => [s < length ? values[i * steps + s] : 0]);
}

const scratch = t.testdir({});

t.test('symbols that NumPy wrote are what NumPy reads, and 0 past a length', async t => {
  const want = expectedOf('symbols');
  const data = await open({ kind: 'npz', path: fixture('symbols.npz') });
  t.same(data.input, { kind: 'symbol', count: 13 }, 'both splits count, padding does not');
  t.equal(inputWidth(data.input), 1);
  t.match(data.largestSymbol, { name: 'x_test[0, 1]', value: '12' });
  t.same([data.sequenceLength, data.train.count, data.test.count], [4, 5, 2]);
  for (let i = 0; i < 5; i++) {
    t.same(sequence(data, data.train, i), numpySequence(want.x, i, want.lengths.values[i]));
  }
  for (let i = 0; i < 2; i++) {
    const length = want.lengths_test.values[i];
    t.same(sequence(data, data.test, i), numpySequence(want.x_test, i, length), 'Fortran order');
  }
  t.same(classes(data.train), want.y.values);

  const steps = expectedOf('symbol-steps');
  const parted = await open({ kind: 'npz', path: fixture('symbol-steps.npz'), test_fraction: 0.5 }, 3);
  t.same(parted.input, { kind: 'symbol', count: Math.max(...steps.x.values) + 1 }, 'whichever split has it');
  const original = Array.from({ length: 6 }, (_, i) => JSON.stringify(numpySequence(steps.x, i)));
  const found = [parted.train, parted.test].flatMap(split =>
    Array.from({ length: split.count }, (_, i) =>
      original.indexOf(JSON.stringify(sequence(parted, split, i))),
    ),
  );
  t.same(found.sort(), [0, 1, 2, 3, 4, 5], 'unsigned 64-bit numbers, the highest byte first');
  t.match(parted.train.targets, { kind: 'class', perStep: true });
});

t.test('all types of integers are symbols', async t => {
  const types: [string, NodeJS.ArrayBufferView][] = [
    ['|b1', Uint8Array.of(1, 0, 1, 1)],
    ['|i1', Int8Array.of(1, 0, 127, 1)],
    ['|u1', Uint8Array.of(1, 0, 255, 1)],
    ['<i2', Int16Array.of(1, 0, 32767, 1)],
    ['<u2', Uint16Array.of(1, 0, 65535, 1)],
    ['<i4', Int32Array.of(1, 0, 2 ** 20 - 1, 1)],
    ['<u4', Uint32Array.of(1, 0, 2 ** 20 - 1, 1)],
    ['<i8', BigInt64Array.of(1n, 0n, 2n ** 20n - 1n, 1n)],
    ['<u8', BigUint64Array.of(1n, 0n, 2n ** 20n - 1n, 1n)],
  ];
  for (const [type, values] of types) {
    const data = await open(archive({ x: npy(type, '(2, 2)', values) }));
    const largest = Number([...(values as unknown as Iterable<number>)][2]);
    t.same(data.input, { kind: 'symbol', count: largest + 1 }, type);
    t.same(sequence(data, data.train, 1), [[largest], [1]], type);
  }
  const floats = await open(archive({ x: npy('<i4', '(2, 2, 1)', Int32Array.of(1, 2, 3, 4)) }));
  t.same(floats.input, { kind: 'number', size: 1 }, 'integers with a dimension of features are numbers');
});

t.test('what is not a symbol is reported with its row and step', async t => {
  const lengths = npy('<i4', '(2,)', Int32Array.of(1, 2));
  const cases: [string, Record<string, Uint8Array>, RegExp][] = [
    [
      'negative',
      { x: npy('<i4', '(2, 2)', Int32Array.of(1, 2, 3, -4)) },
      /^data\/symbol-range \| x\[1, 1\] is not a symbol \| expected 0 to 1048575 \| got -4$/,
    ],
    [
      'far beyond any vocabulary, with all digits',
      { x: npy('<u8', '(2, 2)', BigUint64Array.of(1n, 2n ** 63n + 1n, 3n, 4n)) },
      /x\[0, 1\] is not a symbol .* got 9223372036854775809$/,
    ],
    [
      'in the test split',
      { x_test: npy('|i1', '(2, 2)', Int8Array.of(1, 2, -3, 4)) },
      /x_test\[1, 0\] is not a symbol/,
    ],
    [
      'not past a length alone',
      { x: npy('|i1', '(2, 2)', Int8Array.of(1, -2, 3, -4)), lengths },
      /x\[1, 1\] .*got -4/,
    ],
    [
      'floats without features',
      { x: npy('<f4', '(2, 2)', Float32Array.of(1, 2, 3, 4)) },
      /array x has the wrong shape or type: symbols must be integers \| expected .*integers \[N, T\] \(symbols\).* got <f4 \[2, 2\]$/,
    ],
    [
      'a test split of numbers',
      { x_test: npy('<f4', '(2, 2, 1)', Float32Array.of(1, 2, 3, 4)) },
      /x_test does not fit .*expected \[N, T\] \(symbols\) \| got \[N, T, 1\]/,
    ],
    [
      'a length of 0',
      { lengths: npy('<i4', '(2,)', Int32Array.of(2, 0)) },
      /lengths\[1\] is out of range: a sequence needs at least one step \| expected 1 to 2 \| got 0$/,
    ],
  ];
  for (const [name, arrays, expected] of cases) {
    t.match(await complaints(5, () => open(archive(arrays))), [expected], name);
  }
  t.same(
    (await open(archive({ x: npy('|i1', '(2, 2)', Int8Array.of(1, -2, 3, 4)), lengths }))).input,
    { kind: 'symbol', count: 10 },
    'the test split has the largest',
  );
});

t.test('embedding and vocabulary are held against the data', async t => {
  const model = (set: string[]) => [
    'model={cell: gru, hidden_size: 4}',
    ...set,
    'dataset={kind: npz, path: unused.npz}',
    'gates=null',
  ];
  const check = async (path: string, ...set: string[]) => {
    const loaded = loadExperiment('configs/mnist-lstm-small.yaml', { set: model(set) });
    return checkAgainstData(loaded, await open({ kind: 'npz', path }));
  };
  const lines = async (...from: Parameters<typeof check>) =>
    (await check(...from)).diagnostics.map(
      d => `${d.code} ${d.source?.slice((d.column ?? 1) - 1)} | ${d.message} | ${d.expected}`,
    );

  const symbols = fixture('symbols.npz');
  t.match(await lines(symbols), [
    /^config\/embedding .*the steps of the dataset are symbols, but the model has no `embedding`/,
  ]);
  t.match(await lines(fixture('classes.npz'), 'model.embedding={size: 3}'), [
    /^config\/embedding .*`embedding` needs symbols, but the steps of the dataset are vectors of numbers/,
  ]);
  const { sizes, diagnostics } = await check(symbols, 'model.embedding={size: 3}');
  t.same([diagnostics, sizes.input], [[], { kind: 'symbol', count: 13 }]);
  const larger = await check(symbols, 'model.embedding={size: 3, num_symbols: 20}');
  t.same([larger.diagnostics, larger.sizes.input], [[], { kind: 'symbol', count: 20 }]);
  t.match(await lines(symbols, 'model.embedding={size: 3}', 'model.embedding.num_symbols=12'), [
    /^config\/num-symbols 12 \| the data contain symbols outside the vocabulary: x_test\[0, 1\] in .*symbols\.npz is 12 \| at least 13$/,
  ]);
});

let written = 0;

/** An archive of two sequences of two symbols, with some arrays changed or added. */
function archive(arrays: Record<string, Uint8Array>): { kind: 'npz'; path: string } {
  const x = arrays.x ?? npy('|i1', '(2, 2)', Int8Array.of(1, 2, 3, 0));
  const good = {
    x,
    y: npy('|i1', '(2,)', Int8Array.of(0, 1)),
    x_test:
      arrays.x === undefined || arrays.lengths !== undefined
        ? npy('|i1', '(2, 2)', Int8Array.of(1, 9, 3, 0))
        : x,
    y_test: npy('|i1', '(2,)', Int8Array.of(0, 1)),
  };
  const members = Object.entries({ ...good, ...arrays }).map(([name, bytes]) => [`${name}.npy`, bytes]);
  const path = join(scratch, `${written++}.npz`);
  writeFileSync(path, zipSync(Object.fromEntries(members)));
  return { kind: 'npz', path };
}

/** Data that stay on the disk: the same bytes as in memory, for every kind that can. */
import { appendFileSync, chmodSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { unzipSync } from 'fflate';
import t from 'tap';
import { TextCodes } from '../../src/data/core/store.js';
import { symbolsOf } from '../../src/data/core/vocabulary.js';
import { openDataset } from '../../src/data/index.js';
import { TrainingFile } from '../../src/data/reading/byte-sources.js';
import { RangedFile } from '../../src/data/reading/ranged-file.js';
import { codesIn, countSymbols, PieceReader, readStream } from '../../src/data/text/streams.js';
import { RandomStream } from '../../src/util/random.js';
import { floats, integers, npz, type TrainedRun } from '../support/cli.js';
import { complaints, fixture, idx, open, sequence } from '../support/data-files.js';
import { tone, wav } from '../support/wav.js';
import { work } from '../support/work.js';

const random = RandomStream.of(3, 'test/data-on-disk');
const uniform = (count: number): number[] => Array.from({ length: count }, () => random.uniform() * 4);
const below = (count: number, most: number): number[] =>
  Array.from({ length: count }, () => Math.floor(random.uniform() * most));

interface Case {
  readonly dataset: object;
  readonly model?: object;
  readonly loss?: object;
  readonly training?: object;
}

const SYMBOLS = [...'aé 漢😀'];
const perStep = { head: { from: 'every' } };
const embedded = { embedding: { size: 3 } };

function configOf(
  { dataset, model = {}, loss = { kind: 'cross_entropy' }, training = {} }: Case,
  memory?: number,
) {
  return {
    dataset: { ...dataset, ...(memory !== undefined && { memory }) },
    model: { cell: 'gru', hidden_size: 3, ...model },
    loss,
    optimizer: { kind: 'adam', learning_rate: 0.05 },
    training: { num_epochs: 2, batch_size: 5, ...training },
  };
}

const N = 23;
const T = 6;

const arrays = {
  x: floats([N, T, 2], uniform(N * T * 2)),
  y: integers([N], below(N, 3)),
};

/** The arrays of an archive as files, perhaps some of them compressed. */
function files(archive: Uint8Array, zipped: readonly string[] = []): Record<string, string> {
  return Object.fromEntries(
    Object.entries(unzipSync(archive)).map(([member, bytes]) => {
      const name = member.replace('.npy', '');
      return [name, work.file(member, zipped.includes(name) ? gzipSync(bytes) : bytes)];
    }),
  );
}

/** A folder of two files, with line ends of both kinds and an empty line. */
function records(record: (index: number) => object) {
  const path = work.folder();
  const lines = Array.from({ length: N }, (_, i) => JSON.stringify(record(i)));
  writeFileSync(join(path, 'a.jsonl'), `\ufeff${lines.slice(0, 9).join('\r\n')}\r\n\n`);
  writeFileSync(join(path, 'b.jsonl'), lines.slice(9).join('\n'));
  return { kind: 'jsonl', path };
}

t.test('ranges are read alike whether they are in the page cache or must be waited for', async t => {
  const bytes = Buffer.from(below(200_000, 256));
  const file = await RangedFile.open(work.file('ranges.bin', bytes));
  const inOrder = Array.from({ length: 12 }, (_, i) => ({ from: i * 16_000, to: i * 16_000 + 1000 + i }));
  // unordered, some of them next to each other
  const ranges = [...inOrder.toReversed(), { from: 17_100, to: 17_200 }, { from: 5, to: 5 }];
  let now = 0;
  for (const step of [0, 0.3, 5, 0]) {
    // each look at the clock is `step` milliseconds later: none, several or all reads are slow
    const clock = t.intercept(performance, 'now', { value: () => (now += step) });
    for (let call = 0; call < 11; call++) {
      const found = await file.read(ranges);
      t.ok(
        found.every((own, i) => own.equals(bytes.subarray(ranges[i].from, ranges[i].to))),
        `${step} ms a read, call ${call}`,
      );
    }
    clock.restore();
  }
});

const perSplit = Object.fromEntries(
  ['', '_validation', '_test'].flatMap(suffix => [
    [`x${suffix}`, floats([N, T, 2], uniform(N * T * 2))],
    [`y${suffix}`, integers([N, T], below(N * T, 3))],
    [
      `lengths${suffix}`,
      integers(
        [N],
        below(N, T).map(length => length + 1),
      ),
    ],
    [`ids${suffix}`, integers([N], i => 100 * suffix.length + i)],
  ]),
);

const labels = Buffer.from(below(N, 3));
const floatPixels = Buffer.alloc(N * 4 * 3 * 4);
uniform(N * 4 * 3).forEach((value, i) => void floatPixels.writeFloatBE(value, 4 * i));
const imageFiles = (type: number, data: Buffer) => ({
  kind: 'idx',
  train_images: work.file('train', idx(type, [N, 4, 3], data)),
  train_labels: work.file('train-labels', idx(8, [N], labels)),
  test_images: work.file('test', idx(type, [N, 4, 3], data)),
  test_labels: work.file('test-labels', idx(8, [N], labels)),
});

/** A text of `length` symbols, many of which take several bytes, with line ends of all kinds. */
function prose(length: number): string {
  const parts = ['a', 'b', 'é', '漢', '😀', ' ', ' ', 'cd ', '\n', '\r\n', '\r', '\u00a0', '\t', '\ufeff'];
  const text = below(length, parts.length)
    .map(i => parts[i])
    .join('');
  return work.file(`prose-${length}.txt`, `\ufeff${text}`);
}

/** Tones of two pitches by three speakers. */
function recordings(): string {
  const path = work.folder();
  for (let i = 0; i < N; i++) {
    const samples = tone(i % 2 === 0 ? 300 : 900, 400 + 16 * (i % 7)).map(sample => sample / (1 + (i % 3)));
    writeFileSync(join(path, `${i % 2}_${'abc'[i % 3]}_${i}.wav`), wav(samples));
  }
  return path;
}

const CASES: Readonly<Record<string, Case>> = {
  'audio, changed in training, scaled over speakers': {
    dataset: {
      ...{ kind: 'audio', path: recordings(), pattern: '{label}_{speaker}_{take}' },
      ...{ target: 'label', target_kind: 'class', test: { group: 'speaker', is: 'c' } },
      features: { kind: 'log_mel', window: 8, hop: 4, bands: 4, deltas: 1 },
      augment: {
        ...{ gain: 6, shift: 3, noise: { path: recordings(), ratio: [0, 9] } },
        time_masks: { count: 1, width: 4 },
      },
      ...{ normalize: 'standard', normalize_per: 'speaker', validation: { fraction: 0.2 } },
    },
    training: { bucket_by_length: true },
  },
  'npz, numbers, scaled, both splits drawn': {
    dataset: {
      kind: 'npz',
      path: work.file('a.npz', npz(arrays)),
      test_fraction: 0.2,
      validation: { fraction: 0.2, select: 'stratified' },
      normalize: 'standard',
      limit: 11,
    },
  },
  'npz, lengths and a class for each step': {
    dataset: {
      kind: 'npz',
      path: work.file(
        'b.npz',
        npz({
          ...arrays,
          y: integers(
            [N, T],
            below(N * T, 3).map((label, i) => (i % 7 === 2 ? -100 : label)),
          ),
          lengths: integers(
            [N],
            below(N, T).map(length => length + 1),
          ),
        }),
      ),
      test_fraction: 0.3,
    },
    model: perStep,
    loss: { kind: 'cross_entropy', class_weights: 'balanced' },
    training: { bucket_by_length: true },
  },
  'npz, symbols and values, splits in the file': {
    dataset: {
      kind: 'npz',
      path: work.file(
        'c.npz',
        npz(
          Object.fromEntries(
            ['', '_validation', '_test'].flatMap(suffix => [
              [`x${suffix}`, integers([N, T], below(N * T, 9))],
              [`y${suffix}`, floats([N, 2], uniform(2 * N))],
            ]),
          ),
        ),
      ),
      validation_arrays: true,
      normalize: 'min_max',
    },
    model: embedded,
    loss: { kind: 'mse' },
  },
  'npy, all splits in files': {
    dataset: { kind: 'npy', ...files(npz(perSplit)), normalize: 'standard' },
    model: perStep,
  },
  'jsonl, numbers and values for each step, a drawn split': {
    dataset: {
      ...records(() => {
        const steps = 1 + below(1, T)[0];
        const y = uniform(steps).map((value, i) => (i === 1 ? null : value));
        return { x: Array.from({ length: steps }, () => uniform(2)), y };
      }),
      input: 'x',
      input_kind: 'number',
      target: 'y',
      target_kind: 'value',
      per_step: true,
      test_fraction: 0.2,
      normalize: 'standard',
    },
    model: perStep,
    loss: { kind: 'mse' },
  },
  'jsonl, text and classes for each step': {
    dataset: {
      ...records(i => {
        const text = below(1 + (i % T), 5).map(code => SYMBOLS[code]);
        return {
          id: `n${i}`,
          x: text.join(''),
          y: text.map((_, step) => (step === 2 ? null : 'uv'[(step * i) % 2])),
        };
      }),
      input: 'x',
      input_kind: 'text',
      level: 'character',
      min_count: 2,
      target: 'y',
      target_kind: 'class',
      per_step: true,
      id: 'id',
      test_fraction: 0.3,
      validation: { fraction: 0.2 },
    },
    model: { ...embedded, ...perStep },
  },
  'text, words of two files, continued from batch to batch': {
    dataset: {
      kind: 'text',
      path: [prose(7000), prose(5001)],
      level: 'word',
      min_count: 3,
      sequence_length: 7,
      test_fraction: 0.2,
      validation: { fraction: 0.2 },
    },
    model: { ...embedded, ...perStep },
    training: { carry_state: true, shuffle: false },
  },
  'text, characters, drawn in random order, limited': {
    dataset: {
      kind: 'text',
      path: prose(9000),
      test_path: prose(2100),
      level: 'character',
      sequence_length: 30,
      validation: { count: 20 },
      limit: 60,
    },
    model: { ...embedded, ...perStep },
  },
  'idx, floats, pixel by pixel': {
    dataset: { ...imageFiles(0x0d, floatPixels), sequence: 'pixels', validation: { count: 4 } },
  },
};

const read = (run: TrainedRun, file: string) => JSON.parse(readFileSync(join(run.directory, file), 'utf8'));
const baselines = (run: TrainedRun) => read(run, 'summary.json').baselines;
const remembered = (run: TrainedRun) => {
  const { datasets, data, scaling, config_hash } = read(run, 'manifest.json');
  return { datasets, data, scaling, config_hash };
};

for (const [name, one] of Object.entries(CASES)) {
  t.test(name, async t => {
    const [inMemory, onDisk] = [await work.train(configOf(one)), await work.train(configOf(one, 0))];
    t.equal(onDisk.code, 0, onDisk.finished.stderr);
    t.ok(inMemory.bytes().equals(onDisk.bytes()), 'the same checkpoint');
    t.strictSame(onDisk.summary.metrics, inMemory.summary.metrics);
    t.strictSame(baselines(onDisk), baselines(inMemory));
    t.ok(baselines(onDisk));
    t.strictSame(remembered(onDisk), remembered(inMemory), 'digests, scaling, vocabulary and hash');
    const looked = await Promise.all(
      [undefined, 0].map(memory => work.cellrun('data', work.config(configOf(one, memory)), '--json')),
    );
    const [seen, expected] = looked.map(({ stdout }) => ({ ...JSON.parse(stdout), file: '', warnings: [] }));
    t.strictSame(seen, expected, 'the same summary');
    const answers = await Promise.all(
      [inMemory, onDisk].map(({ directory }) => work.cellrun('predict', directory, '--split', 'train')),
    );
    t.equal(answers[1].stdout, answers[0].stdout, 'the same predictions and ids');
    t.not(answers[0].stdout, '');
  });
}

t.test('text is the same symbols however small its pieces are', async t => {
  const symbol = fc.constantFrom('a', 'é', '漢', '😀', ' ', '\n', '\r\n', '\r', '\u00a0', '\ufeff', 'word');
  const text = fc.array(symbol, { maxLength: 60 }).map(parts => parts.join(''));
  const path = (i: number) => join(folder, `${i}.txt`);
  const folder = work.folder();
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        texts: fc.array(text, { minLength: 1, maxLength: 3 }),
        level: fc.constantFrom('byte', 'character', 'word' as const),
        pieceBytes: fc.integer({ min: 4, max: 40 }),
        bounds: fc.array(fc.nat(), { minLength: 4, maxLength: 4 }),
      }),
      async ({ texts, level, pieceBytes, bounds }) => {
        texts.forEach((content, i) => void writeFileSync(path(i), content));
        // as Python reads the whole file
        const expected = texts.flatMap(content => {
          const marked = content.startsWith('\ufeff') && level !== 'byte' ? content.slice(1) : content;
          if (level !== 'word') return [...symbolsOf(marked, level)];
          const lines = marked.split(/\r\n|\n|\r/);
          if (lines.at(-1) === '') lines.pop();
          return lines.flatMap(line => [...symbolsOf(line, 'word'), '<eos>']);
        });
        const files = texts.map((_, i) => path(i));
        const ranges = [0, 2].map(i => {
          const [from, to] = bounds.slice(i, i + 2).map(bound => bound % (expected.length + 1));
          return { from: Math.min(from, to), to: Math.max(from, to) };
        });
        for (const isOnDisk of [false, true]) {
          const codes = new TextCodes();
          const sources = files.map(file => new TrainingFile(file, isOnDisk));
          const stream = await readStream(sources, new PieceReader(level, codes, pieceBytes));
          const textsOf = (all: Uint32Array) => Array.from(all, code => codes.texts[code]);
          t.equal(stream.length, expected.length);
          ranges.forEach(range => {
            const part = expected.slice(range.from, range.to);
            t.strictSame(textsOf(codesIn(stream, range)), part);
            const counts = codes.texts.map(one => part.filter(other => other === one).length);
            t.strictSame([...countSymbols(stream, range, codes.size)], counts);
          });
        }
      },
    ),
    { numRuns: 150 },
  );
});

const IN_FORTRAN_ORDER: readonly string[] = ['classes', 'symbols', 'big-endian'];

t.test('npy files are read as the archive of the same arrays, which NumPy wrote', async t => {
  for (const name of ['classes', 'steps', 'values', 'symbols', 'big-endian', 'ids']) {
    const path = fixture(`${name}.npz`);
    const archive = readFileSync(path);
    const hasTest = 'x_test.npy' in unzipSync(archive);
    const more = hasTest ? {} : { test_fraction: 0.25 };
    const hasValidation = 'x_validation.npy' in unzipSync(archive);
    const expected = await open({
      kind: 'npz',
      path,
      ...more,
      ...(hasValidation && { validation_arrays: true }),
    });
    for (const [zipped, memory] of [
      [[], 4096],
      [['x', 'y_test'], 4096],
      [[], 0],
    ] as const) {
      const { x, y, ...others } = files(archive, zipped);
      const config = { kind: 'npy', x, y, ...others, ...more, memory } as const;
      if (memory === 0 && IN_FORTRAN_ORDER.includes(name)) {
        t.match((await complaints(5, () => open(config)))[0], 'array x_test is in Fortran order');
        continue;
      }
      const got = await open(config);
      const what = `${name}, ${zipped.length > 0 ? 'compressed' : `memory ${memory}`}`;
      t.strictSame(got.input, expected.input, what);
      t.strictSame([...got.test.targets.values], [...expected.test.targets.values], what);
      for (const split of ['train', 'test'] as const) {
        t.equal(got[split].count, expected[split].count);
        for (let i = 0; i < got[split].count; i++) {
          t.strictSame(sequence(got, got[split], i), sequence(expected, expected[split], i), `${what} ${i}`);
          t.equal(got[split].id?.(i), expected[split].id?.(i));
        }
      }
    }
  }
});

t.test('jsonl is padded to the longest sequence that is used', async t => {
  const path = work.file('long.jsonl', '{"x":[1],"y":1}\n{"x":[1,2],"y":2}\n{"x":[1,2,3,4],"y":1}\n');
  const config = {
    kind: 'jsonl',
    path,
    test_path: work.file('short.jsonl', '{"x":[1,2,3],"y":1}\n'),
    input: 'x',
    input_kind: 'number',
    target: 'y',
    target_kind: 'class',
  } as const;
  t.equal((await open(config)).sequenceLength, 4);
  const limited = await open({ ...config, limit: 2 });
  t.equal(limited.sequenceLength, 3);
  t.strictSame([limited.train.count, [...(limited.train.lengths ?? [])]], [2, [1, 2]]);
});

t.test('a file that changes while it is in use', async t => {
  const expected = 'data/file-changed | the file was changed or replaced while it was in use';
  const opened = async (change: (x: string) => void, message: string, expected?: string) => {
    const { x, y } = files(npz(arrays));
    utimesSync(x, 1e9, 1e9);
    const data = await openDataset({ kind: 'npy', x, y, test_fraction: 0.2, memory: 0 }, { seed: 0 });
    change(x);
    const load = async () => void (await data.train.load?.(Uint32Array.of(2, 1)));
    if (expected === undefined) await t.resolves(load(), message);
    else t.strictSame(await complaints(5, load), [expected], message);
  };
  await opened(x => appendFileSync(x, 'more'), 'it grows', expected);
  await opened(x => utimesSync(x, 1, 1), 'set back', expected);
  await opened(x => chmodSync(x, 0o600), 'other permissions');
});

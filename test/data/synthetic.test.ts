/** Synthetic problems. */
import fc from 'fast-check';
import t from 'tap';
import { type Dataset, inputWidth, type Split, symbolsOfTarget } from '../../src/data/index.js';
import { classes, closeTo, complaints, open, sequence } from '../support/data-files.js';

t.test('synthetic: the adding problem', async t => {
  const config = { kind: 'synthetic', problem: 'adding', train_size: 400, test_size: 3, seed: 0 } as const;
  const odd = fc.asyncProperty(
    fc.integer({ min: 2, max: 40 }),
    fc.integer({ min: 0, max: 1e6 }),
    async (T, seed) => {
      const data = await open({ ...config, train_size: 4, sequence_length: T, seed });
      for (let i = 0; i < 4; i++) {
        const steps = sequence(data, data.train, i);
        const marked = steps.flatMap(([, marker], s) => (marker === 1 ? [s] : []));
        const half = Math.floor(T / 2);
        if (marked.length !== 2 || !(marked[0] < half && marked[1] >= half)) return false;
        if (steps.some(([value, marker]) => !(value >= 0 && value <= 1) || (marker !== 0 && marker !== 1)))
          return false;
        const target = data.train.targets.values.subarray(i, i + 1)[0];
        if (!closeTo(target, steps[marked[0]][0] + steps[marked[1]][0], 1e-6)) return false;
      }
      return true;
    },
  );
  await fc.assert(odd, { numRuns: 30, seed: 1 });
  const data = await open({ ...config, sequence_length: 50 });
  const targets = [...data.train.targets.values];
  const mean = targets.reduce((a, b) => a + b, 0) / 400;
  const variance = targets.reduce((a, b) => a + (b - mean) ** 2, 0) / 399;
  t.ok(closeTo(mean, 1, 0.08) && closeTo(variance, 1 / 6, 0.04), `mean ${mean}, variance ${variance}`);
  const fewer = await open({ ...config, sequence_length: 50, train_size: 5 });
  t.same(
    [...fewer.train.targets.values],
    targets.slice(0, 5),
    'the first sequences do not depend on the size',
  );
  t.equal((await open({ ...config, sequence_length: 50 }, 9)).digests[0].sha256, data.digests[0].sha256);
  t.not((await open({ ...config, sequence_length: 50, seed: 9 })).digests[0].sha256, data.digests[0].sha256);
  t.match(await complaints(2, () => open({ ...config, sequence_length: 65536, train_size: 1e7 })), [
    /^data\/too-large .* a sequence has 131072 values \| expected at most 2048 sequences .* got 10000000$/,
  ]);
  const large = open({ ...config, sequence_length: 65536, test_size: 1e7 });
  t.match(await large.catch((error: unknown) => error), {
    diagnostics: [{ keyPath: ['dataset', 'test_size'] }],
  });
});

t.test('synthetic: the copy-memory problem', async t => {
  const config = {
    kind: 'synthetic',
    problem: 'copy_memory',
    train_size: 300,
    test_size: 2,
    seed: 0,
  } as const;
  const data = await open({ ...config, delay: 7 });
  t.same([inputWidth(data.input), data.sequenceLength], [10, 27]);
  const counts = new Array(8).fill(0);
  for (let i = 0; i < 300; i++) {
    const steps = sequence(data, data.train, i);
    const symbols = steps.map(step => step.indexOf(1));
    const shape = [...new Array(6).fill(8), 9, ...new Array(10).fill(8)];
    const expected = [...new Array(17).fill(8), ...symbols.slice(0, 10)];
    if (JSON.stringify(symbols.slice(10)) !== JSON.stringify(shape)) t.fail(`inputs ${symbols}`);
    const targets = classes(data.train).slice(27 * i, 27 * i + 27);
    if (JSON.stringify(targets) !== JSON.stringify(expected)) t.fail(`targets ${targets}`);
    if (steps.some(step => step.reduce((a, b) => a + b) !== 1)) t.fail('not one-hot');
    for (const symbol of symbols.slice(0, 10)) counts[symbol]++;
  }
  // Chi-squared with 7 degrees of freedom: 24.3 is passed once in a thousand seeds.
  t.ok(counts.reduce((a, n) => a + (n - 375) ** 2 / 375, 0) < 24.3, `symbols ${counts}`);
  t.match(data.train.targets, { kind: 'class', numClasses: 9, perStep: true });
});

/** The input and the target of each sequence; the input is empty if it is numbers. */
function pairs({ classLabels = [] }: Dataset, { count, targets, symbols }: Split): [string, string[]][] {
  if (targets.kind !== 'sequence') throw new Error('targets are sequences');
  return Array.from({ length: count }, (_, index) => [
    symbols?.(index).join('') ?? '',
    Array.from(symbolsOfTarget(targets, index), symbol => classLabels[symbol]),
  ]);
}

t.test('synthetic: letters to reverse and to sort', async t => {
  const sizes = { train_size: 300, test_size: 40, min_length: 3, sequence_length: 9, seed: 1 };
  for (const problem of ['reverse', 'sort'] as const) {
    const data = await open({ kind: 'synthetic', problem, ...sizes });
    const all = [data.train, data.test].flatMap(split => pairs(data, split));
    for (const [letters, target] of all) {
      const expected = problem === 'sort' ? [...letters].sort() : [...letters].reverse();
      t.same(target, expected, letters);
    }
    const lengths = new Set(all.map(([letters]) => letters.length));
    t.same([...lengths].sort(), [3, 4, 5, 6, 7, 8, 9]);
    t.equal(new Set(all.flatMap(([letters]) => [...letters])).size, 26);
  }
  const fixed = await open({ kind: 'synthetic', problem: 'sort', ...sizes, min_length: undefined });
  t.ok(pairs(fixed, fixed.test).every(([letters]) => letters.length === 9));
  t.match(await complaints(2, () => open({ kind: 'synthetic', problem: 'sort', ...sizes, min_length: 10 })), [
    /^data\/length-range .* must not exceed `sequence_length` \| expected at most 9 \| got 10$/,
  ]);
});

t.test('synthetic: melodies', async t => {
  const data = await open({ kind: 'synthetic', problem: 'melody', train_size: 500, test_size: 9, seed: 0 });
  t.same([data.sequenceLength, inputWidth(data.input)], [1, 3]);
  // semitones above C
  const notes = { C: 0, 'C#': 1, D: 2, 'D#': 3, E: 4, F: 5, 'F#': 6, G: 7, 'G#': 8, A: 9, 'A#': 10, B: 11 };
  for (const [index, [, melody]] of pairs(data, data.train).entries()) {
    const [given] = sequence(data, data.train, index);
    const [first, interval, count] = given.map(value => Math.round(value * 12));
    t.equal(melody.length, count);
    const heights = melody.map(note => notes[note as keyof typeof notes]);
    t.equal(heights[0], first);
    t.ok(heights.every((height, i) => i === 0 || (height - heights[i - 1] + 12) % 12 === interval));
    const noise = given.map(value => Math.abs(value * 12 - Math.round(value * 12)));
    t.ok(noise.every(one => one <= 0.25 + 1e-5) && noise.some(one => one > 0));
  }
});

t.test('synthetic: dates', async t => {
  const data = await open({
    kind: 'synthetic',
    problem: 'dates',
    train_size: 4000,
    test_size: 4000,
    seed: 0,
  });
  const [train, test] = [data.train, data.test].map(split =>
    pairs(data, split).map(([input, target]) => ({ input, target: target.join('') })),
  );
  const suffixes: Readonly<Record<string, string>> = { one: 'st', two: 'nd', few: 'rd', other: 'th' };
  const ordinals = new Intl.PluralRules('en', { type: 'ordinal' });
  const shapes = { train: new Set<string>(), test: new Set<string>() };
  for (const [name, rows] of Object.entries({ train, test }) as ['train' | 'test', typeof train][])
    for (const { input, target } of rows) {
      const date = new Date(`${target}T00:00:00Z`);
      const part = (options: Intl.DateTimeFormatOptions) =>
        new Intl.DateTimeFormat('en-US', { ...options, timeZone: 'UTC' }).format(date);
      const day = date.getUTCDate();
      const parts: Readonly<Record<string, string>> = {
        [`${part({ weekday: 'long' })}, `]: 'Weekday, ',
        [`${part({ weekday: 'short' })} `]: 'Day ',
        [part({ year: 'numeric' })]: 'YYYY',
        [`'${target.slice(2, 4)}`]: "'YY",
        [part({ month: 'long' })]: 'Month',
        [part({ month: 'short' })]: 'Mon',
        [`${day}${suffixes[ordinals.select(day)]}`]: '1st',
      };
      // without its words, a date has only numbers
      const words = Object.entries(parts).reduce((text, [from, to]) => text.replace(from, to), input);
      const numbers = (words.match(/\d+(?!st)/g) ?? []).map(Number);
      const isNumbered = !/Mon/.test(words);
      t.equal(isNumbered, /[./]/.test(words));
      const ofDate = isNumbered ? [day, date.getUTCMonth() + 1] : words.includes('1st') ? [] : [day];
      t.same(words.includes('/') ? numbers.toReversed() : numbers, ofDate, input);
      // numbers of one digit show whether they are padded; May has one name
      if (day < 10 && part({ month: 'long' }) !== 'May')
        shapes[name].add(
          words.replace(/1st|\d+/g, one => (one === '1st' ? one : '09'.slice(one.length - 2))),
        );
    }
  t.equal(shapes.test.size, 96, 'three weekdays, two years, two orders, and eight of day and month');
  t.ok(shapes.train.size <= 75 && [...shapes.train].every(shape => shapes.test.has(shape)));
  const days = new Set(train.map(({ target }) => target));
  t.notOk(
    test.some(({ target }) => days.has(target)),
    'the test split has other days',
  );
});

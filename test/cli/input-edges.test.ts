/**
 * Edge cases of input: hints that must not mislead, numbers that a double cannot hold, streams
 * instead of files.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { openDataset } from '../../src/data/index.js';
import { UserError } from '../../src/util/errors.js';
import { packageRoot } from '../../src/util/root.js';
import { main } from '../support/in-process.js';
import { execute } from '../support/programs.js';
import { work } from '../support/work.js';

const surroundings = { cwd: work.path, env: { PATH: process.env.PATH, HOME: work.path } };

const config = {
  version: 1,
  name: 'edges',
  dataset: { kind: 'npz', path: 'data.npz' },
  model: { cell: 'lstm', hidden_size: 2, num_layers: 1, head: { from: 'last' } },
  loss: { kind: 'cross_entropy' },
  optimizer: { kind: 'adam', learning_rate: 0.01 },
  training: { num_epochs: 1, batch_size: 4 },
};
const file = work.config(config);

function problems(set: string[], of = file) {
  try {
    loadExperiment(of, { set });
  } catch (error) {
    if (error instanceof UserError) return error.diagnostics;
    throw error;
  }
  return [];
}

t.test('a bound in percent gets a suggestion if it looks like one, else the range', async t => {
  const gate = (bound: string) => problems([`gates=[{ metric: test.accuracy, ${bound} }]`]);
  const range = { code: 'config/gate', expected: 'from 0 to 1' };
  t.match(gate('min: 96'), [{ ...range, suggestion: '0.96' }]);
  t.match(gate('min: 99.9'), [{ ...range, suggestion: '0.999' }]);
  for (const wrong of ['2', '1.5', '19.9', '101'])
    t.match(gate(`min: ${wrong}`), [{ ...range, suggestion: undefined, got: wrong }]);
  t.match(gate('max: -1'), [{ ...range, suggestion: undefined, got: '-1' }]);
});

t.test('integers that a double cannot hold are refused', async t => {
  const seed = (text: string) => problems([`seed=${text}`]);
  const inexact = { code: 'config/inexact', file: '--set', line: 1, column: 6 };
  t.match(seed('9007199254740993'), [
    {
      ...inexact,
      message: /^9007199254740993 cannot be represented exactly; it would become 9007199254740992$/,
    },
  ]);
  t.match(seed('0x20000000000001'), [{ ...inexact, message: /^0x20000000000001 .* 9007199254740992$/ }]);
  t.match(seed('-9007199254740993'), [inexact]);
  t.match(seed('+9007199254740993'), [inexact]);
  t.same(seed('9007199254740991'), []);
  t.match(seed('9007199254740992'), [{ code: 'config/range' }], 'which is exact, but too large');
  t.same(problems(['optimizer.eps=0.10000000000000000555']), [], 'fractions are rounded by everyone');
  const written = work.config(config);
  writeFileSync(
    written,
    JSON.stringify({ ...config, seed: 'SEED' }).replace('"SEED"', '12345678901234567891'),
  );
  t.match(problems([], written), [{ code: 'config/inexact', file: written }]);
  // BigInt has the exact value, unlike a double
  const property = fc.property(fc.bigInt({ min: 0n, max: 2n ** 70n }), number => {
    const refused = seed(String(number)).some(({ code }) => code === 'config/inexact');
    return refused === (BigInt(Number(number)) !== number);
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 200 }));
});

t.test('big-endian NumPy arrays', async t => {
  const path = join(packageRoot, 'test/fixtures/data/big-endian.npz');
  const want = JSON.parse(readFileSync(path.replace(/npz$/, 'json'), 'utf8'));
  const data = await openDataset({ kind: 'npz', path }, { seed: 0 });
  const read = (split: typeof data.train) =>
    Array.from({ length: split.count }, (_, i) => {
      const into = new Float32Array(6);
      split.read(i, into, 0, 2);
      return [...into];
    }).flat();
  const masked = want.x.values.map((value: number, i: number) =>
    Math.floor(i / 2) % 3 < want.lengths.values[Math.floor(i / 6)] ? value : 0,
  );
  t.same(read(data.train), masked.map(Math.fround));
  t.same(read(data.test), want.x_test.values.map(Math.fround), 'doubles in Fortran order');
  const labels = ({ targets }: typeof data.train) => targets.kind === 'class' && [...targets.values];
  t.same(labels(data.test), want.y_test.values);
  t.same(
    labels(data.train),
    [0, 1, -100, 2, 1, 0, 0, -100, -100, 1, 2, -100],
    'what is past a length is ignored',
  );
});

t.test('a config from a stream is refused with a reason', async t => {
  const bash = (script: string) => execute('bash', ['-c', script], surroundings);
  const program = `"${process.execPath}" "${main}"`;
  for (const command of [
    `${program} /dev/stdin < "${file}"`,
    `cat "${file}" | ${program} run /dev/stdin`,
    `${program} <(cat "${file}")`,
    `${program} validate <(cat "${file}")`,
  ]) {
    const refused = await bash(command);
    t.equal(refused?.code, 2, command);
    t.match(refused?.stderr, /^\/dev\/(stdin|fd\/\d+): the file is not a regular file/);
  }
});

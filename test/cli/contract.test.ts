/**
 * The contract with other programs: schemas of files, the types of their readers, and the
 * documentation of both agree.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readSchema, validateAgainst } from '../../src/config/schema/schema.js';
import type { LogEvent } from '../../src/run/summary.js';
import { packageRoot } from '../../src/util/root.js';

type Schema = { readonly [key: string]: unknown };
const definitions = (name: string) =>
  (readSchema(name) as { definitions: Record<string, Schema> }).definitions;

/** Properties of each event by its name. */
const events = new Map(
  Object.values(definitions('log-event')).flatMap(({ properties }) => {
    const known = properties as Record<string, Schema> | undefined;
    return known?.event?.const === undefined ? [] : [[String(known.event.const), known] as const];
  }),
);

/** One line of each event. The compiler checks their type. */
const head = { level: 'info', time: '2026-01-31T12:00:00.000Z', v: 1, seq: 0 } as const;
const hash = 'a'.repeat(64);
const speed = { ms_per_step: null, calibration_ms: null };
const times = { duration_s: 1, train_s: 1, eval_s: 0, ...speed, peak_rss_mb: 1 };
const lines: readonly LogEvent[] = [
  { ...head, event: 'run.start', run_id: 'r', name: 'n', seed: 0, config_hash: hash, version: '0.1.0' },
  {
    ...head,
    event: 'run.resume',
    run_id: 'r',
    step: 1,
    config_hash: hash,
    version: '0.1.0',
    replaced_records: 0,
    replaced_file: null,
    changes: null,
    ...times,
  },
  {
    ...head,
    event: 'data.ready',
    train_count: 1,
    test_count: 1,
    input_size: 1,
    sequence_length: 1,
    num_classes: null,
    duration_s: 0,
  },
  {
    ...head,
    event: 'graph.compiled',
    backend: 'cpu',
    backend_reason: 'asked for',
    executor: 'cpu',
    parameters: 1,
    nodes: 1,
    kernels_per_step: 1,
    flops_per_step: 1,
    bytes: 4,
    duration_s: 0,
  },
  {
    ...head,
    level: 'warn',
    event: 'train.step',
    epoch: 1,
    step: 1,
    loss: null,
    loss_nonfinite: 'nan',
    learning_rate: 0.1,
    grad_norm: null,
    grad_norm_nonfinite: 'inf',
    samples_per_s: 1,
  },
  { ...head, event: 'train.epoch', epoch: 1, step: 1, loss: 1, samples: 1, duration_s: 0 },
  {
    ...head,
    event: 'eval',
    split: 'test',
    epoch: 1,
    step: 1,
    loss: 1,
    accuracy: 0.5,
    samples: 2,
    duration_s: 0,
  },
  {
    ...head,
    event: 'eval.trained',
    split: 'validation',
    epoch: 1,
    step: 1,
    loss: 1,
    samples: 2,
    duration_s: 0,
  },
  {
    ...head,
    event: 'checkpoint.saved',
    epoch: 1,
    step: 1,
    path: 'checkpoints/step-00000001.safetensors',
    bytes: 1,
    metric: 'test.loss',
    value: null,
    best: false,
    temporary: true,
    duration_s: 0,
  },
  { ...head, event: 'early_stop', epoch: 1, step: 1, metric: 'test.loss', value: 1, best: 1, patience: 1 },
  { ...head, level: 'warn', event: 'warning', code: 'a/b', message: 'odd' },
  {
    ...head,
    event: 'gate',
    metric: 'test.loss',
    over: 'last',
    value: 1,
    max: 2,
    verdict: 'passed',
    origin: 'c.yaml:1:1',
  },
  {
    ...head,
    event: 'run.end',
    status: 'completed',
    exit_code: 0,
    epochs: 1,
    steps: 1,
    duration_s: 1,
    ...speed,
    step_ratio: null,
  },
];

t.test('the type of a log line accepts the same as the schema', async t => {
  for (const line of lines) t.same(validateAgainst('log-event', line), [], line.event);
  t.same(lines.map(({ event }) => event).sort(), [...events.keys()].sort(), 'one of each');
});

/**
 * Properties at any depth of a schema without a description. Conditions do not need one.
 */
function unexplainedIn(part: unknown, path: string): string[] {
  if (typeof part !== 'object' || part === null) return [];
  const { properties = {} } = part as { properties?: Record<string, Schema> };
  const silent = Object.entries(properties)
    .filter(([, one]) => !('description' in one || '$ref' in one || 'const' in one))
    .map(([name]) => `${path}/${name}`);
  const below = Object.entries(part).filter(([name]) => !['if', 'then', 'else'].includes(name));
  return [...silent, ...below.flatMap(([name, one]) => unexplainedIn(one, `${path}/${name}`))];
}

t.test('every property of every schema has a description', async t => {
  const folder = join(packageRoot, 'schemas');
  const files = readdirSync(folder).filter(name => name.endsWith('.schema.json'));
  t.ok(files.length > 10);
  for (const file of files)
    t.same(unexplainedIn(JSON.parse(readFileSync(join(folder, file), 'utf8')), file), []);
});

t.test('every schema and every metric of a run is documented', async t => {
  const page = (path: string): string => readFileSync(join(packageRoot, path), 'utf8');
  const missing = (names: Iterable<string>, text: string): string[] =>
    [...names].filter(name => !text.includes(`\`${name}\``));
  const schemas = readdirSync(join(packageRoot, 'schemas')).filter(file => file.endsWith('.schema.json'));
  const names = schemas.map(file => file.replace('.schema.json', ''));
  t.same(missing(names, page('schemas/README.md')), []);
  t.same(missing(names, page('docs/reference/run-files.md')), []);
  const numbers = (properties: Record<string, Schema>): string[] =>
    Object.entries(properties)
      .filter(([, { type }]) => [type].flat().some(one => one === 'number'))
      .map(([name]) => name);
  // positions and durations are not metrics
  const places = new Set(['epoch', 'step', 'samples', 'duration_s']);
  const logged = ['train.step', 'train.epoch', 'eval'].flatMap(name => numbers(events.get(name) ?? {}));
  t.ok(logged.length > 6);
  const summary = (readSchema('summary') as { properties: Record<string, Schema> }).properties;
  const formulas = page('docs/reference/metrics.md');
  t.same(
    missing(
      logged.filter(name => !places.has(name)),
      formulas,
    ),
    [],
  );
  t.same(missing(numbers(summary), formulas), []);
});

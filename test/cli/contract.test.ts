/**
 * The contract with other programs: schemas of files, the types of their readers, and the
 * documentation of both agree.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readSchema } from '../../src/config/schema/schema.js';
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

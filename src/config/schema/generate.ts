/**
 * Generates `generated.ts`, the type of a resolved config, from the schema.
 * `node dist/src/cli/generate-types.js` writes it; `--check` exits with 1 if it is out of date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../util/root.js';
import { ANNOTATIONS } from './compiler.js';
import { readSchema } from './schema.js';

const TARGET = join(packageRoot, 'src', 'config', 'generated.ts');

const BANNER = `/**
 * The type of a resolved config: every default filled in, \`extends\` gone.
 * Generated from schemas/experiment.schema.json; do not edit.
 * To update: \`node dist/src/cli/generate-types.js\`
 */`;

type Json = Record<string, unknown>;

/** The content of `generated.ts`. */
export async function generateTypes(): Promise<string> {
  const { compile } = await import('json-schema-to-typescript');
  const schema = resolvedForm(readSchema('experiment') as Json);
  const types = await compile(schema, 'Experiment', {
    bannerComment: BANNER,
    additionalProperties: false,
    declareExternallyReferenced: true,
    enableConstEnums: false,
    strictIndexSignatures: true,
    style: { singleQuote: true, printWidth: 110 },
  });
  return types.split('\n').flatMap(wrapComment).join('\n');
}

const MAX_COLUMNS = 100;

/** Wraps a line of a comment, since the generator's formatter does not. */
function wrapComment(line: string): readonly string[] {
  const start = /^\s*\* /.exec(line)?.[0];
  if (start === undefined || line.length <= MAX_COLUMNS) return [line];
  const lines: string[] = [];
  let text = '';
  for (const word of line.slice(start.length).split(' ')) {
    if (text !== '' && start.length + text.length + 1 + word.length > MAX_COLUMNS) {
      lines.push(start + text);
      text = word;
    } else text = text === '' ? word : `${text} ${word}`;
  }
  return [...lines, start + text];
}

/** True if the committed file matches the schema. */
export async function typesAreCurrent(): Promise<boolean> {
  return readFileSync(TARGET, 'utf8') === (await generateTypes());
}

export async function writeTypes(): Promise<void> {
  writeFileSync(TARGET, await generateTypes());
}

/**
 * The schema of a resolved config: without `extends`, and requires all keys with defaults except
 * those that the run chooses.
 */
function resolvedForm(schema: Json): Json {
  const definitions = schema.definitions as Json;
  return transform(schema, definitions) as Json;
}

function transform(value: unknown, definitions: Json): unknown {
  if (Array.isArray(value)) return value.map(item => transform(item, definitions));
  if (typeof value !== 'object' || value === null) return value;
  const source = value as Json;
  // keywords beside a reference would create a separate type
  if (typeof source.$ref === 'string') return { $ref: source.$ref };
  const result: Json = {};
  for (const [key, part] of Object.entries(source)) {
    if (DROPPED.has(key) || (key === 'allOf' && isConditional(part as readonly Json[]))) continue;
    result[key] =
      key === 'properties' ? transformProperties(part as Json, definitions) : transform(part, definitions);
  }
  if (source.properties !== undefined && source.type === 'object') {
    result.required = requiredKeys(source, definitions);
  }
  return result;
}

/** Conditions, tags and annotations that the generator cannot use. */
const DROPPED: ReadonlySet<string> = new Set([
  'discriminator',
  'unevaluatedProperties',
  'examples',
  ...ANNOTATIONS,
]);

/** True for an `allOf` of conditions. Any other `allOf` composes an object. */
function isConditional(parts: readonly Json[]): boolean {
  return parts.every(part => part.if !== undefined);
}

function transformProperties(properties: Json, definitions: Json): Json {
  const kept = Object.entries(properties).filter(([key]) => key !== 'extends');
  return Object.fromEntries(kept.map(([key, part]) => [key, transform(part, definitions)]));
}

function requiredKeys(schema: Json, definitions: Json): string[] {
  const required = new Set((schema.required as string[] | undefined) ?? []);
  return Object.entries(schema.properties as Json)
    .filter(([key, property]) => required.has(key) || hasDefault(property as Json, definitions))
    .map(([key]) => key);
}

function hasDefault(property: Json, definitions: Json): boolean {
  if (property['x-run-default'] === true) return false;
  if (property.default !== undefined || property['x-default'] !== undefined) return true;
  if (typeof property.$ref !== 'string') return false;
  return hasDefault(definitions[property.$ref.replace('#/definitions/', '')] as Json, definitions);
}

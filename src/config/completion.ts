/** What may be written at a place of a config, for editors. */
import { parse } from 'yaml';
import {
  type Branch,
  branchesOf,
  decidedBranch,
  experimentSchema,
  formsOf,
  isRecord,
  propertiesOf,
  type Schema,
  schemaAt,
  valueAt,
} from './schema/schema.js';

export interface Completion {
  /** A key with its colon, or a value. */
  readonly text: string;
  readonly description: string | undefined;
}

export interface Completions {
  /** Where the word to replace begins; it ends at the place that was asked for. */
  readonly from: number;
  readonly items: readonly Completion[];
}

/** The keys or values that may follow at `at`, which begin as the word before it. */
export function completionsAt(text: string, at: number): Completions {
  const lines = text.slice(0, at).split('\n');
  const line = lines[lines.length - 1];
  const [, before, word] = /^(.*?)([\w.+-]*)$/.exec(line) as unknown as [string, string, string];
  const path = pathTo(lines);
  if (/(?:^|\s)#/.test(before)) return { from: at, items: [] };
  const key = /(?:^|[\s{,])([\w-]+):\s*(?:\[(?:[^[\]]*,\s*)?)?$/.exec(before)?.[1];
  const [after, ...below] = text.slice(at).split('\n');
  // the line may not be complete
  const config = [before + after, `${before}}`, '']
    .map(rest => parsed([...lines.slice(0, -1), rest, ...below].join('\n')))
    .find(value => value !== undefined);
  const all = key === undefined ? keysAt(path, config) : valuesAt([...path, key], config);
  const items = all.filter(item => item.text.startsWith(word) && item.text !== word);
  return { from: at - word.length, items };
}

/** An index in a path. */
const ITEM = '0';

/** The keys around the end of the last line: of mappings in braces, and of lines indented less. */
function pathTo(lines: readonly string[]): string[] {
  const last = lines[lines.length - 1];
  const path: string[] = [];
  let rest = last;
  for (;;) {
    const inner = /^(.*?)([\w-]+):\s*(\[[^\]]*)?\{[^{}]*$/.exec(rest.replaceAll(/\{[^{}]*\}/g, ''));
    const item = inner === null ? /^(\s*- +)\{[^{}]*$/.exec(rest.replaceAll(/\{[^{}]*\}/g, '')) : null;
    if (inner === null && item === null) break;
    // which item does not matter: all of a list have one schema
    path.unshift(...(inner === null ? [] : inner[3] === undefined ? [inner[2]] : [inner[2], ITEM]));
    rest = (inner ?? item)![1];
    if (item) break;
  }
  // the indentation of the keys around, and whether these are those of an item
  let indent = /^ *(?:- +)?/.exec(last)![0].length;
  for (const line of [...lines.slice(0, -1), rest].toReversed()) {
    const [, spaces, dash = ''] = /^( *)(- +)?/.exec(line)!;
    if (dash !== '' && spaces.length < indent) {
      path.unshift(ITEM);
      // a list may be indented like its key
      indent = spaces.length + 1;
    }
    const key = /^ *([\w-]+):/.exec(line)?.[1];
    if (key === undefined || spaces.length >= indent || line === last) continue;
    path.unshift(key);
    indent = spaces.length;
  }
  return path;
}

/** Undefined if the text is not YAML. */
function parsed(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

function keysAt(path: readonly string[], config: unknown): Completion[] {
  const schema = path.length === 0 ? experimentSchema() : schemaAt(path, config);
  if (schema === undefined) return [];
  const value = valueAt(config, path);
  const given = isRecord(value) ? value : {};
  const forms = formsOf(decidedBranch(schema, value) ?? schema);
  const found = new Map(forms.flatMap(form => [...propertiesOf(form)]));
  return [...found]
    .filter(([key]) => !(key in given))
    .map(([key, { description }]) => ({ text: `${key}: `, description }));
}

function valuesAt(path: readonly string[], config: unknown): Completion[] {
  // the tag of a union is a key of each of its branches
  const parent = path.length === 1 ? experimentSchema() : schemaAt(path.slice(0, -1), config);
  const tags = parent ? tagsOf(parent, path[path.length - 1]) : [];
  if (tags.length > 0) return tags;
  const schema = schemaAt(path, config);
  return schema === undefined ? [] : valuesOf(schema);
}

function tagsOf(schema: Schema, key: string): Completion[] {
  const union = branchesOf(schema);
  if (union === undefined) return (schema.oneOf ?? []).flatMap(form => tagsOf(form, key));
  const choiceOf = ({ tag, schema: { description } }: Branch) => ({ text: tag, description });
  return union.key === key ? union.branches.map(choiceOf) : [];
}

function valuesOf(schema: Schema): Completion[] {
  const { description, oneOf = [], items } = schema;
  const literals = schema.enum ?? (schema.type === 'boolean' ? [true, false] : (schema.examples ?? []));
  const values = schema.const === undefined ? literals : [schema.const];
  const texts = values.filter(value => typeof value !== 'object');
  return [
    ...texts.map(value => ({ text: String(value), description })),
    ...[...oneOf, ...(items ? [items] : [])].flatMap(valuesOf),
  ];
}

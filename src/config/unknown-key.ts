/** Describes an unknown key: the valid keys, and the key that was probably meant. */
import type { Diagnostic } from '../util/errors.js';
import {
  decidedBranch,
  decidingKeys,
  isRecord,
  type KnownKey,
  narrow,
  propertiesOf,
  type Schema,
  schemaAt,
  stepInto,
  taggedWithin,
} from './schema/walk.js';
import { findElsewhere, meantKey } from './suggest.js';
import { positionOf } from './yaml/source.js';
import { formatPath, keyPlace, type MapNode, type Path } from './yaml/tree.js';

/**
 * @param config the tree as plain values
 * @param path of the mapping that contains the key
 */
export function unknownKey(
  tree: MapNode,
  config: unknown,
  path: Path,
  key: string,
  root: Schema,
): Diagnostic {
  const schema = schemaAt(path, config, root);
  const value = valueAt(config, path);
  const target = schema === undefined ? undefined : narrow(schema, value);
  const properties = target === undefined ? new Map<string, Schema>() : propertiesOf(target);
  const hint = hintFor(key, path, properties, schema, value, root);
  const inside = path.length === 0 ? '' : ` in \`${formatPath(path)}\``;
  return {
    code: 'config/unknown-key',
    message: `unknown key \`${key.slice(0, 80)}\`${inside}${hint.note === undefined ? '' : `; ${hint.note}`}`,
    ...positionOf(keyPlace(tree, [...path, key])),
    expected: [...properties.keys()].join(', '),
    ...(hint.suggestion === undefined ? {} : { suggestion: hint.suggestion }),
  };
}

/**
 * Reads from the plain config, since converting a part of the tree for each key is slow with
 * thousands of keys.
 */
function valueAt(config: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) => (isRecord(value) || Array.isArray(value) ? Reflect.get(value, step) : undefined),
    config,
  );
}

interface Hint {
  /** Appended to the message. */
  readonly note?: string;
  /** The key that was probably meant. */
  readonly suggestion?: string;
}

function hintFor(
  key: string,
  path: Path,
  properties: ReadonlyMap<string, Schema>,
  schema: Schema | undefined,
  value: unknown,
  root: Schema,
): Hint {
  const note = schema && (otherForm(key, schema, value) ?? otherBranch(key, schema, value));
  if (note !== undefined) return { note };
  const meant = meantKey(key, properties);
  if (meant !== undefined) return { suggestion: meant };
  if (key.includes('.') && schemaAt([...path, ...key.split('.')], undefined, root) !== undefined) {
    const steps = key.split('.');
    return { suggestion: `\`${steps.join(': { ')}: …${' }'.repeat(steps.length - 1)}\`` };
  }
  return hintElsewhere(key, findElsewhere(key, root));
}

/** Note on a key of another form, such as `cell` next to `layers`, whose items have their own. */
function otherForm(key: string, schema: Schema, value: unknown): string | undefined {
  const form = isRecord(value) ? decidedBranch(schema, value) : undefined;
  const tag = taggedWithin(schema)?.key;
  const deciding = form?.required?.find(one => one !== tag && decidingKeys(schema).includes(one));
  if (deciding === undefined || stepInto(schema, key, undefined) === undefined) return undefined;
  const inItems = stepInto(schema, deciding, value)?.items;
  const where = inItems && stepInto(inItems, key, undefined) ? `, whose items each have their own` : '';
  return `it cannot be combined with \`${deciding}\`${where}`;
}

/** Note on a key of another branch: `momentum` under `kind: adam` belongs to `kind: sgd`. */
function otherBranch(key: string, schema: Schema, value: unknown): string | undefined {
  const union = taggedWithin(schema);
  if (union === undefined || !isRecord(value)) return undefined;
  const owners = union.branches.filter(branch => propertiesOf(branch.schema).has(key));
  if (owners.length === 0) return undefined;
  const tags = owners.map(owner => `\`${union.key}: ${owner.tag}\``).join(' or ');
  return `it belongs to ${tags}, but \`${union.key}\` is ${String(value[union.key])} here`;
}

function hintElsewhere(key: string, found: readonly KnownKey[]): Hint {
  if (found.length === 0) return {};
  const name = found[0].path[found[0].path.length - 1];
  const parents = [...new Set(found.map(known => formatPath(known.path.slice(0, -1))))];
  if (name !== key)
    return { suggestion: parents.map(parent => formatPath([parent, name].filter(Boolean))).join(' or ') };
  return {
    note: `this key exists ${parents.map(parent => (parent === '' ? 'at the top level' : `under \`${parent}\``)).join(' and ')}`,
  };
}

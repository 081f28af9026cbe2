/**
 * Turns the schema validator's errors into diagnostics with positions, valid alternatives and
 * suggestions.
 */
import type { Diagnostic } from '../../util/errors.js';
import type { SchemaError } from '../schema/schema.js';
import {
  branchesOf,
  decidedBranch,
  decidingKeys,
  experimentSchema,
  formFor,
  isRecord,
  type KnownKey,
  narrow,
  propertiesOf,
  type Schema,
  schemaAt,
  stepInto,
  taggedWithin,
} from '../schema/walk.js';
import { positionOf } from '../yaml/source.js';
import {
  describeValue,
  formatPath,
  isBroken,
  keyPlace,
  type MapNode,
  nodeAt,
  type Path,
  toPlain,
  valuePlace,
} from '../yaml/tree.js';
import { findElsewhere, meantKey, meantTag, suggestValue } from './suggest.js';

/**
 * Describes the schema errors of a file, without errors that only repeat others.
 * @param root schema of the file; by default that of a config
 */
export function explainSchemaErrors(
  errors: readonly SchemaError[],
  tree: MapNode,
  root = experimentSchema(),
): Diagnostic[] {
  const explainer = new Explainer(tree, errors, root);
  const found = new Map<string, Diagnostic>();
  for (const error of errors) {
    const diagnostic = explainer.explain(error);
    if (diagnostic === undefined) continue;
    const key = `${diagnostic.file}:${diagnostic.line}:${diagnostic.column}:${diagnostic.code}:${diagnostic.message}`;
    if (!found.has(key)) found.set(key, diagnostic);
  }
  return [...found.values()];
}

/** `/gates/0/min` -> `['gates', '0', 'min']` */
function pathOf(error: SchemaError): string[] {
  const steps = error.instancePath.split('/').slice(1);
  return steps.map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

class Explainer {
  private readonly config: unknown;
  /** Errors of unions in which no branch matches. */
  private readonly unions: readonly SchemaError[];

  constructor(
    private readonly tree: MapNode,
    errors: readonly SchemaError[],
    private readonly root: Schema,
  ) {
    this.config = toPlain(tree);
    this.unions = errors.filter(({ keyword }) => keyword === 'oneOf');
  }

  explain(error: SchemaError): Diagnostic | undefined {
    const path = pathOf(error);
    if (isBroken(this.tree, path) || this.belongsToOtherBranch(error)) return undefined;
    switch (error.keyword) {
      case 'additionalProperties':
        return this.unknownKey(path, String(error.params.additionalProperty));
      case 'required':
        return this.missingKey(path, String(error.params.missingProperty));
      case 'discriminator':
        return this.wrongTag(path, String(error.params.tag));
      case 'false schema':
        return this.foreignKey(path);
      case 'oneOf':
        return narrowed(error) === undefined ? this.wrongValue(path, error) : undefined;
      case 'if':
        // the error in `then` is reported itself
        return undefined;
      default:
        return this.wrongValue(path, error);
    }
  }

  /** True if the error is in a branch of an untagged union that the value does not match. */
  private belongsToOtherBranch(error: SchemaError): boolean {
    return this.unions.some(union => {
      const inside = `${union.schemaPath}/`;
      if (!error.schemaPath.startsWith(inside)) return false;
      if (!error.instancePath.startsWith(union.instancePath)) return false;
      const index = Number(error.schemaPath.slice(inside.length).split('/')[0]);
      return narrowed(union) !== index;
    });
  }

  private unknownKey(path: Path, key: string): Diagnostic | undefined {
    if (isBroken(this.tree, [...path, key])) return undefined;
    return unknownKey(this.tree, this.config, path, key, this.root);
  }

  private missingKey(path: Path, key: string): Diagnostic | undefined {
    if (this.isMisspelt(path, key)) return undefined;
    const inside = path.length === 0 ? '' : ` in \`${formatPath(path)}\``;
    if (this.taggedAt(path)?.key === key) return this.missingTag(path, key);
    const schema = this.schemaAt([...path, key]);
    return {
      code: 'config/missing-key',
      message: `the key \`${key}\` is missing${inside}`,
      ...positionOf(keyPlace(this.tree, path)),
      ...(schema === undefined ? {} : { expected: `\`${key}\`: ${describeExpected(schema)}` }),
    };
  }

  /**
   * True if the mapping has an unknown key, reported elsewhere, that probably means the missing
   * one.
   */
  private isMisspelt(path: Path, key: string): boolean {
    const here = nodeAt(this.tree, path)?.value;
    const schema = this.schemaAt(path);
    const target =
      schema === undefined ? undefined : narrow(schema, here === undefined ? undefined : toPlain(here));
    if (here?.kind !== 'map' || target === undefined) return false;
    const properties = propertiesOf(target);
    return [...here.entries.keys()].some(
      given => !properties.has(given) && meantKey(given, properties) === key,
    );
  }

  private wrongTag(path: Path, tag: string): Diagnostic | undefined {
    const at = [...path, tag];
    const found = nodeAt(this.tree, at);
    if (found === undefined) return this.missingTag(path, tag);
    if (found.value.kind === 'broken') return undefined;
    const branches = this.taggedAt(path)?.branches ?? [];
    const given = toPlain(found.value);
    const meant = typeof given === 'string' ? meantTag(given, branches) : undefined;
    return {
      code: 'config/unknown-kind',
      message: `\`${formatPath(at)}\` cannot be ${describeGiven(given)}`,
      ...positionOf(valuePlace(this.tree, at)),
      expected: branches.map(branch => branch.tag).join(' | '),
      got: describeValue(found.value),
      ...(meant === undefined ? {} : { suggestion: meant }),
    };
  }

  /** The tag is missing, or has another name (`type`, or `kind` instead of `cell`). */
  private missingTag(path: Path, tag: string): Diagnostic {
    const tags = (this.taggedAt(path)?.branches ?? []).map(branch => branch.tag);
    const here = nodeAt(this.tree, path)?.value;
    const names = ['kind', 'type', 'name', 'class', 'cell', '_target_'].filter(name => name !== tag);
    const misnamed = here?.kind === 'map' ? names.find(name => here.entries.has(name)) : undefined;
    const forms = decidingKeys(schemaAt(path, undefined, this.root) ?? {}).filter(key => key !== tag);
    const place =
      misnamed === undefined ? keyPlace(this.tree, path) : keyPlace(this.tree, [...path, misnamed]);
    return {
      code: 'config/missing-key',
      message: `the key \`${tag}\` is missing in \`${formatPath(path)}\``,
      ...positionOf(place),
      expected: [`\`${tag}\`: ${tags.join(' | ')}`, ...forms.map(key => `or \`${key}\``)].join(', '),
      ...(misnamed === undefined ? {} : { suggestion: tag }),
    };
  }

  private schemaAt(path: Path): Schema | undefined {
    return schemaAt(path, this.config, this.root);
  }

  /** The tagged union at a path, if any. */
  private taggedAt(path: Path): ReturnType<typeof taggedWithin> {
    const schema = schemaAt(path, undefined, this.root);
    return schema === undefined ? undefined : taggedWithin(schema);
  }

  /** A key that does not belong to the chosen `problem` of a synthetic dataset. */
  private foreignKey(path: Path): Diagnostic {
    const parent = nodeAt(this.tree, path.slice(0, -1))?.value;
    const problem = parent === undefined ? undefined : toPlain(parent);
    const choice = isRecord(problem) ? String(problem.problem) : '';
    return {
      code: 'config/foreign-key',
      message: `the key \`${path[path.length - 1]}\` does not belong to problem ${choice}`,
      ...positionOf(keyPlace(this.tree, path)),
    };
  }

  private wrongValue(path: Path, error: SchemaError): Diagnostic {
    const node = nodeAt(this.tree, path)?.value ?? this.tree;
    const schema = error.parentSchema as Schema;
    const suggestion = suggestValue(node, schema, this.schemaAt(path) ?? schema);
    return {
      code: CODES[error.keyword] ?? 'config/value',
      message: `${path.length === 0 ? 'the config' : `\`${formatPath(path)}\``} ${describeFault(error, schema)}`,
      ...positionOf(valuePlace(this.tree, path)),
      expected: describeExpected(schema),
      got: describeValue(node),
      ...(suggestion === undefined ? {} : { suggestion }),
    };
  }
}

/** Index of the branch of an untagged union that matches the value. */
function narrowed(union: SchemaError): number | undefined {
  const branches = (union.parentSchema as Schema).oneOf ?? [];
  const form = formFor(branches, union.data);
  return form === undefined ? undefined : branches.indexOf(form);
}

function describeGiven(value: unknown): string {
  return typeof value === 'string'
    ? `"${value.slice(0, 60)}"`
    : String(typeof value === 'object' ? 'of this form' : value);
}

const CODES: Readonly<Record<string, string>> = {
  type: 'config/type',
  oneOf: 'config/type',
  enum: 'config/choice',
  const: 'config/choice',
  minimum: 'config/range',
  maximum: 'config/range',
  exclusiveMinimum: 'config/range',
  exclusiveMaximum: 'config/range',
  pattern: 'config/pattern',
  minLength: 'config/length',
  maxLength: 'config/length',
  minItems: 'config/length',
  maxItems: 'config/length',
  minProperties: 'config/length',
  maxProperties: 'config/length',
  uniqueItems: 'config/repeated-item',
};

function describeFault(error: SchemaError, schema: Schema): string {
  switch (error.keyword) {
    case 'type':
    case 'oneOf':
      return 'has the wrong type';
    case 'enum':
      return 'is not one of the choices';
    case 'const':
      return `must be ${String(schema.const)}`;
    case 'minimum':
      return `must be at least ${schema.minimum}`;
    case 'maximum':
      return `must be at most ${schema.maximum}`;
    case 'exclusiveMinimum':
      return `must be above ${schema.exclusiveMinimum}`;
    case 'exclusiveMaximum':
      return `must be below ${schema.exclusiveMaximum}`;
    case 'pattern':
      return 'has the wrong format';
    case 'minLength':
      return 'must not be empty';
    case 'maxLength':
      return `must have at most ${error.params.limit} characters`;
    case 'minItems':
      return error.params.limit === 1
        ? 'must not be empty'
        : `must have at least ${error.params.limit} items`;
    case 'maxItems':
      return `must have at most ${error.params.limit} items`;
    case 'minProperties':
      return 'must have a key';
    case 'maxProperties':
      return 'must have only one key';
    case 'uniqueItems':
      return `must not repeat an item (items ${error.params.j} and ${error.params.i} are equal)`;
    default:
      return error.message ?? 'is not valid';
  }
}

/**
 * @param config the tree as plain values
 * @param path of the mapping that contains the key
 */
function unknownKey(tree: MapNode, config: unknown, path: Path, key: string, root: Schema): Diagnostic {
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
  const tags = owners.map(owner => owner.tag).join(' or ');
  return `it belongs to \`${union.key}: ${tags}\`, but \`${union.key}\` is ${String(value[union.key])} here`;
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

const NOUNS: Readonly<Record<string, string>> = {
  string: 'a string',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
};

/** `an integer from 1 to 64`, `adam | sgd`, `a list of 2 numbers`. */
export function describeExpected(schema: Schema): string {
  if (schema.const !== undefined) return String(schema.const);
  if (schema['x-form'] !== undefined) return schema['x-form'];
  if (schema.enum !== undefined) return schema.enum.join(' | ');
  const union = branchesOf(schema);
  if (union !== undefined) {
    return `a mapping with \`${union.key}\`: ${union.branches.map(branch => branch.tag).join(' | ')}`;
  }
  if (schema.oneOf !== undefined) {
    return schema.oneOf.map(describeForm).join(', or ');
  }
  if (schema.type === 'array') return describeList(schema);
  if (schema.type === 'object') return describeMapping(schema);
  return `${NOUNS[String(schema.type)] ?? 'a value'}${describeBounds(schema)}`;
}

/** One of several forms. Mappings are distinguished by their required keys. */
function describeForm(schema: Schema): string {
  const { type, required = [] } = schema;
  return type === 'object' && schema.oneOf === undefined && required.length > 0
    ? `a mapping with ${required.map(key => `\`${key}\``).join(' and ')}`
    : describeExpected(schema);
}

const PLURALS: Readonly<Record<string, string>> = {
  object: 'mappings',
  string: 'strings',
  number: 'numbers',
  integer: 'integers',
};

function describeList(schema: Schema): string {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema;
  const item = schema.items ?? {};
  const items = PLURALS[String(item.type)] ?? 'values';
  return minItems === maxItems
    ? `a list of ${minItems} ${items}${describeBounds(item)}`
    : `a list of ${items}`;
}

function describeMapping(schema: Schema): string {
  const { required = [], properties = {} } = schema;
  const all = Object.keys(properties);
  if (all.length === 0 || all.length > 4) return 'a mapping';
  const keys = required.length > 0 ? required : all;
  return `a mapping with ${keys.map(key => `\`${key}\``).join(required.length > 0 ? ' and ' : ' or ')}`;
}

/** ` from 1 to 64`, ` above 0, at most 1000`; empty without bounds. */
export function describeBounds(schema: Schema): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  if (minimum !== undefined && maximum !== undefined) {
    if (maximum === Number.MAX_SAFE_INTEGER) return `, at least ${minimum} and below 2^53`;
    return Math.abs(maximum) >= 1e300 ? '' : ` from ${minimum} to ${maximum}`;
  }
  const parts: string[] = [];
  if (minimum !== undefined) parts.push(`at least ${minimum}`);
  if (exclusiveMinimum !== undefined) parts.push(`above ${exclusiveMinimum}`);
  if (maximum !== undefined) parts.push(`at most ${maximum}`);
  if (exclusiveMaximum !== undefined) parts.push(`below ${exclusiveMaximum}`);
  return parts.length === 0 ? '' : `, ${parts.join(' and ')}`;
}

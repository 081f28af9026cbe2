/** Turns the schema validator's errors into diagnostics with positions and suggestions. */
import type { Diagnostic } from '../util/errors.js';
import { nearest, normalize } from '../util/nearest.js';
import {
  allKeys,
  type Branch,
  branchesOf,
  decidingKeys,
  experimentSchema,
  formFor,
  hasType,
  type KnownKey,
  narrow,
  propertiesOf,
  type Schema,
  schemaAt,
  taggedWithin,
  valueAt,
} from './schema/schema.js';
import { stepsOf, type Violation } from './schema/validate.js';
import {
  describeValue,
  formatPath,
  isBroken,
  Locator,
  type MapNode,
  type Node,
  nodeAt,
  type Path,
  toPlain,
} from './yaml/tree.js';

/**
 * Describes the schema errors of a file, without errors that only repeat others.
 * @param root schema of the file; by default that of a config
 */
export function explainSchemaErrors(
  errors: readonly Violation[],
  tree: MapNode,
  root = experimentSchema(),
): Diagnostic[] {
  const explainer = new Explainer(tree, root, errors);
  // errors of unions in which no branch matches
  const unions = errors.filter(({ keyword }) => keyword === 'oneOf');
  const found = errors
    .filter(error => !unions.some(union => isInOtherBranch(error, union)))
    .flatMap(error => explainer.explain(error) ?? []);
  const seen = new Set<string>();
  return found.filter(({ file, line, column, message }) => {
    return seen.size < seen.add(`${file}:${line}:${column}:${message}`).size;
  });
}

/** True if the error is in a branch of an untagged union that the value does not match. */
function isInOtherBranch(error: Violation, union: Violation): boolean {
  const inside = `${union.schemaPath}/`;
  if (!error.schemaPath.startsWith(inside) || !error.instancePath.startsWith(union.instancePath))
    return false;
  return narrowed(union) !== Number(error.schemaPath.slice(inside.length).split('/')[0]);
}

/** Index of the branch of an untagged union that matches the value; -1 if none does. */
function narrowed({ parentSchema, data }: Violation): number {
  const { oneOf = [] } = parentSchema as Schema;
  const form = formFor(oneOf, data);
  return form === undefined ? -1 : oneOf.indexOf(form);
}

class Explainer {
  private readonly config: unknown;
  private readonly locator: Locator;

  constructor(
    private readonly tree: MapNode,
    private readonly root: Schema,
    private readonly errors: readonly Violation[],
  ) {
    this.config = toPlain(tree);
    this.locator = new Locator(tree);
  }

  explain(error: Violation): Diagnostic | undefined {
    const path = stepsOf(error.instancePath);
    const { additionalProperty, missingProperty, tag } = error.params;
    if (isBroken(this.tree, path)) return undefined;
    switch (error.keyword) {
      case 'additionalProperties':
        return this.unknownKey(path, String(additionalProperty));
      case 'required':
        return this.missingKey(path, String(missingProperty));
      case 'discriminator':
        return this.wrongTag([...path, String(tag)]);
      case 'false schema': {
        const conflict = this.conflictOf(error);
        if (conflict === undefined) return undefined;
        const message = `the key \`${path.at(-1)}\` ${conflict}`;
        return this.locator.atKey(path, 'config/foreign-key', message);
      }
      case 'oneOf':
        return narrowed(error) < 0 ? this.wrongValue(path, error) : undefined;
      case 'if':
        // the error in `then` is reported itself
        return undefined;
      default:
        return this.wrongValue(path, error);
    }
  }

  /**
   * The keys that forbid another key: those in the condition of the rule. Undefined if the value of
   * one of them is reported itself.
   */
  private conflictOf({ schemaPath }: Violation): string | undefined {
    const rule = this.errors.find(
      error => error.keyword === 'if' && schemaPath.startsWith(error.schemaPath.replace(/if$/, '')),
    );
    const { if: condition } = Object(rule?.parentSchema) as { if?: Schema };
    const keys = new Set([...(condition?.required ?? []), ...Object.keys(condition?.properties ?? {})]);
    const isReported = ({ keyword, instancePath }: Violation) =>
      keyword !== 'false schema' && [...keys].some(key => instancePath === `${rule?.instancePath}/${key}`);
    if (this.errors.some(isReported)) return undefined;
    const path = stepsOf(rule?.instancePath ?? '');
    const words = (isGiven: boolean) =>
      [...keys].flatMap(key => {
        const property = condition?.properties?.[key];
        const needed = typeof property === 'object' ? property.const : undefined;
        const given = valueAt(this.config, [...path, key]);
        if ((given !== undefined) !== isGiven) return [];
        const value = isGiven ? given : needed;
        return [typeof value === 'object' || value === undefined ? `\`${key}\`` : `\`${key}: ${value}\``];
      });
    const [given, absent] = [words(true), words(false)];
    const isNeeded = ([, property]: [string, unknown]) => property === false;
    const needed =
      rule?.params.failingKeyword === 'else'
        ? absent
        : Object.entries(condition?.properties ?? {})
            .filter(isNeeded)
            .map(([key]) => `\`${key}\``);
    if (needed.length > 0) return `needs ${needed.join(' and ')}`;
    return `cannot be combined with ${given.length > 0 ? given.join(' and ') : 'the other keys here'}`;
  }

  private unknownKey(path: Path, key: string): Diagnostic | undefined {
    if (isBroken(this.tree, [...path, key])) return undefined;
    const properties = this.propertiesAt(path);
    const { note, suggestion } = this.hintFor(path, key, properties);
    const message = `unknown key \`${key.slice(0, 80)}\`${inside(path)}${note === undefined ? '' : `; ${note}`}`;
    const expected = [...properties.keys()].join(', ');
    return this.locator.atKey([...path, key], 'config/unknown-key', message, { expected, suggestion });
  }

  private hintFor(
    path: Path,
    key: string,
    properties: ReadonlyMap<string, Schema>,
  ): { readonly note?: string; readonly suggestion?: string } {
    const union = this.taggedAt(path);
    const owners = (union?.branches ?? []).filter(({ schema }) => propertiesOf(schema).has(key));
    if (union && owners.length > 0) {
      const tags = owners.map(({ tag }) => `\`${union.key}: ${tag}\``).join(' or ');
      const tag = properties.has(union.key) && valueAt(this.config, [...path, union.key]);
      return {
        note: tag
          ? `it belongs to ${tags}, but \`${union.key}\` is ${tag} here`
          : 'it cannot be combined with the other keys here',
      };
    }
    const meant = meantKey(key, properties);
    if (meant !== undefined) return { suggestion: meant };
    const steps = key.split('.');
    if (steps.length > 1 && schemaAt([...path, ...steps], undefined, this.root) !== undefined)
      return { suggestion: `\`${steps.join(': { ')}: …${' }'.repeat(steps.length - 1)}\`` };
    const found = findElsewhere(key, this.root);
    const name = found[0]?.path.at(-1);
    if (name === undefined) return {};
    const parents = [...new Set(found.map(known => formatPath(known.path.slice(0, -1))))];
    if (name !== key)
      return { suggestion: parents.map(parent => formatPath([parent, name].filter(Boolean))).join(' or ') };
    const places = parents.map(parent => (parent === '' ? 'at the top level' : `under \`${parent}\``));
    return { note: `this key exists ${places.join(' and ')}` };
  }

  private missingKey(path: Path, key: string): Diagnostic | undefined {
    const message = `the key \`${key}\` is missing${inside(path)}`;
    const union = this.taggedAt(path);
    if (union?.key === key) {
      // it may have another name, such as `type`, or `kind` instead of `cell`
      const names = ['kind', 'type', 'name', 'class', 'cell', '_target_'].filter(name => name !== key);
      const misnamed = names.filter(name => nodeAt(this.tree, [...path, name]) !== undefined).slice(0, 1);
      const forms = decidingKeys(schemaAt(path, undefined, this.root) ?? {}).filter(
        decidingKey => decidingKey !== key,
      );
      const tags = `\`${key}\`: ${union.branches.map(branch => branch.tag).join(' | ')}`;
      return this.locator.atKey([...path, ...misnamed], 'config/missing-key', message, {
        expected: [tags, ...forms.map(form => `or \`${form}\``)].join(', '),
        suggestion: misnamed.length > 0 ? key : undefined,
      });
    }
    // an unknown key that probably means the missing one is reported itself
    const properties = this.propertiesAt(path);
    const given = Object.keys(valueAt(this.config, path) ?? {}).filter(word => !properties.has(word));
    if (given.some(name => meantKey(name, properties) === key)) return undefined;
    const schema = schemaAt([...path, key], this.config, this.root);
    const expected = schema && `\`${key}\`: ${describeExpected(schema)}`;
    return this.locator.atKey(path, 'config/missing-key', message, { expected });
  }

  private wrongTag(at: readonly string[]): Diagnostic | undefined {
    const path = at.slice(0, -1);
    const found = nodeAt(this.tree, at);
    if (found === undefined) return this.missingKey(path, at[path.length]);
    const branches = this.taggedAt(path)?.branches ?? [];
    const given = toPlain(found.value);
    const got = describeValue(found.value);
    const message = `\`${formatPath(at)}\` cannot be ${got.replace(/^the (string|number) /, '')}`;
    return this.locator.atValue(at, 'config/unknown-kind', message, {
      expected: branches.map(branch => branch.tag).join(' | '),
      got,
      suggestion: typeof given === 'string' ? meantTag(given, branches) : undefined,
    });
  }

  private wrongValue(path: Path, error: Violation): Diagnostic {
    const node = nodeAt(this.tree, path)?.value ?? this.tree;
    const schema = error.parentSchema as Schema;
    const what = path.length === 0 ? 'the config' : `\`${formatPath(path)}\``;
    const words = error.message.replace('NOT', 'not').replace('## ', '');
    const [, code, fault = words] = FAULTS.find(([keyword]) => keyword.test(error.keyword)) ?? [];
    return this.locator.atValue(path, `config/${code ?? 'value'}`, `${what} ${fault ?? 'is not valid'}`, {
      expected: describeExpected(schema),
      got: describeValue(node),
      suggestion: suggestValue(node, schema, schemaAt(path, this.config, this.root) ?? schema),
    });
  }

  private taggedAt(path: Path): ReturnType<typeof taggedWithin> {
    return taggedWithin(schemaAt(path, undefined, this.root) ?? {});
  }

  private propertiesAt(path: Path): ReadonlyMap<string, Schema> {
    const schema = schemaAt(path, this.config, this.root);
    return propertiesOf((schema && narrow(schema, valueAt(this.config, path))) ?? {});
  }
}

function inside(path: Path): string {
  return path.length === 0 ? '' : ` in \`${formatPath(path)}\``;
}

/** By the keyword of an error: the end of the code, and a message instead of the validator's. */
const FAULTS: readonly (readonly [keyword: RegExp, code: string, fault?: string])[] = [
  [/^(type|oneOf)$/, 'type', 'has the wrong type'],
  [/^(enum|const)$/, 'choice', 'is not one of the choices'],
  [/^pattern$/, 'pattern', 'has the wrong format'],
  [/imum$/i, 'range'],
  [/^m(in|ax)(Length|Items|Properties)$/, 'length'],
  [/^uniqueItems$/, 'repeated-item'],
];

/** One value of a type, and several. */
const NOUNS: Readonly<Partial<Record<string, readonly [one: string, several: string]>>> = {
  string: ['a string', 'strings'],
  integer: ['an integer', 'integers'],
  number: ['a number', 'numbers'],
  boolean: ['true or false', 'values'],
  array: ['a list', 'values'],
  object: ['a mapping', 'mappings'],
};

/** `an integer from 1 to 64`, `adam | sgd`, `a list of 2 numbers`. */
export function describeExpected(schema: Schema): string {
  if (schema.const !== undefined) return choice(schema.const);
  if (schema['x-form'] !== undefined) return schema['x-form'];
  if (schema.enum !== undefined) return schema.enum.map(choice).join(' | ');
  const union = branchesOf(schema);
  if (union !== undefined)
    return `a mapping with \`${union.key}\`: ${union.branches.map(branch => branch.tag).join(' | ')}`;
  if (schema.oneOf !== undefined) return schema.oneOf.map(describeExpected).join(', or ');
  const [noun] = NOUNS[String(schema.type)] ?? ['a value'];
  if (schema.type === 'array') return `${noun} of ${describeItems(schema)}`;
  if (schema.type === 'object') return `${noun}${describeKeys(schema)}`;
  return `${noun}${describeBounds(schema)}`;
}

/** Control characters, such as the tab of `delimiter`, would be invisible. */
function choice(value: unknown): string {
  const text = String(value);
  return /\p{Cc}/u.test(text) ? JSON.stringify(text) : text;
}

function describeItems({ minItems = 0, maxItems, items = {} }: Schema): string {
  const [, nouns] = NOUNS[String(items.type)] ?? ['', 'values'];
  return minItems === maxItems ? `${minItems} ${nouns}${describeBounds(items)}` : nouns;
}

/** The required keys of a mapping, else all of a few. */
function describeKeys({ required = [], properties = {} }: Schema): string {
  const all = Object.keys(properties);
  const [keys, word] = required.length > 0 ? [required, ' and '] : [all.length > 4 ? [] : all, ' or '];
  return keys.length === 0 ? '' : ` with ${keys.map(key => `\`${key}\``).join(word)}`;
}

/** ` from 1 to 64`, ` above 0, at most 1000`; empty without bounds. */
function describeBounds({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): string {
  if (minimum !== undefined && maximum !== undefined) {
    if (maximum === Number.MAX_SAFE_INTEGER) return `, at least ${minimum} and below 2^53`;
    return Math.abs(maximum) >= 1e300 ? '' : ` from ${minimum} to ${maximum}`;
  }
  const bounds = {
    'at least': minimum,
    above: exclusiveMinimum,
    'at most': maximum,
    below: exclusiveMaximum,
  };
  const parts = Object.entries(bounds).flatMap(([word, bound]) =>
    bound === undefined ? [] : `${word} ${bound}`,
  );
  return parts.length === 0 ? '' : `, ${parts.join(' and ')}`;
}

function hasAlias({ 'x-aliases': aliases = [] }: Schema, word: string): boolean {
  return aliases.some(alias => normalize(alias) === normalize(word));
}

/** The key meant by an unknown key: an alias from other tools, or a similar spelling. */
function meantKey(word: string, properties: ReadonlyMap<string, Schema>): string | undefined {
  const aliased = [...properties].find(([, schema]) => hasAlias(schema, word));
  return aliased?.[0] ?? nearest(word, [...properties.keys()]);
}

/** The branch meant by a tag: a name from PyTorch or another library, or a similar spelling. */
function meantTag(word: string, branches: readonly Branch[]): string | undefined {
  // `torch.optim.lr_scheduler.StepLR`, `nn.MSELoss`
  const name = word.slice(word.lastIndexOf('.') + 1);
  return meantKey(name, new Map(branches.map(({ tag, schema }) => [tag, schema])));
}

/**
 * Keys anywhere in the schema with this name or this alias, whichever is less nested; if there are
 * none, with a similar spelling.
 */
export function findElsewhere(word: string, root?: Schema): readonly KnownKey[] {
  const keys = allKeys(root);
  const name = (key: KnownKey): string => key.path[key.path.length - 1];
  const same = keys.filter(key => normalize(name(key)) === normalize(word));
  const aliased = keys.filter(key => hasAlias(key.schema, word));
  const depth = (found: readonly KnownKey[]): number => Math.min(...found.map(({ path }) => path.length));
  const known = depth(aliased) < depth(same) ? aliased : same;
  // many kinds share a key
  const near = known.length > 0 ? undefined : nearest(word, [...new Set(keys.map(name))]);
  return near === undefined ? known : keys.filter(key => name(key) === near);
}

const WORDS: readonly (readonly [RegExp, string])[] = [
  [/^(yes|on|y)$/i, 'true'],
  [/^(no|off|n)$/i, 'false'],
];

/**
 * Suggests a value of the right type or choice.
 * @param asked the part of the schema that the value violates
 * @param whole the schema of the value, which may be a union around `asked`
 */
function suggestValue(node: Node, asked: Schema, whole: Schema): string | undefined {
  const isScalarType = asked.type !== 'array' && asked.type !== 'object';
  if (node.kind === 'list' && node.items.length === 1 && node.items[0].kind === 'scalar' && isScalarType)
    return node.items[0].written;
  if (node.kind !== 'scalar' || node.value === null) return undefined;
  const { value, written } = node;
  const { oneOf: forms = [] } = asked;
  const words = (asked.enum ?? forms.flatMap(form => form.enum ?? [])).map(String);
  if (typeof value === 'string') {
    const hasWords = (whole.oneOf ?? []).some(form => form.enum !== undefined);
    const union = branchesOf(whole) ?? (hasWords ? undefined : taggedWithin(whole));
    if (union && words.length === 0) {
      const tag = meantTag(value, union.branches);
      return tag && `{ ${union.key}: ${tag} }`;
    }
    if (words.length > 0) return nearest(value, words);
    if (asked.type === 'boolean')
      return WORDS.find(([word]) => word.test(value))?.[1] ?? nearest(value, ['true', 'false']);
    return asked.type === 'number' || asked.type === 'integer' ? numberHint(value) : undefined;
  }
  if (asked.enum !== undefined) return undefined;
  // a bare number instead of a mapping with a unit
  for (const { properties = {}, examples = [] } of [...forms, asked]) {
    const keys = [...examples.flatMap(example => Object.keys(Object(example))), ...Object.keys(properties)];
    const unit = keys.find(key => typeof value === 'number' && accepts(properties[key], value));
    if (unit !== undefined) return `{ ${unit}: ${written} }`;
  }
  if (asked.type === 'string') return `"${written}"`;
  return asked.type === 'array' && (asked.minItems ?? 0) <= 1 ? `[${written}]` : undefined;
}

function accepts(schema: Schema | boolean | undefined, value: number): boolean {
  if (typeof schema !== 'object' || schema.type === undefined || !hasType(schema, value)) return false;
  const { minimum = value, maximum = value, exclusiveMinimum: above, exclusiveMaximum: below } = schema;
  const isWithin = (above === undefined || value > above) && (below === undefined || value < below);
  return isWithin && value >= minimum && value <= maximum;
}

/** 0.999 for 99.9, without the rounding error of the division. */
export function fromPercent(percentage: number): number {
  return Number((percentage / 100).toPrecision(15));
}

/** Suggests a number for one written with quotes, separators, a decimal comma or a percent sign. */
function numberHint(text: string): string | undefined {
  const plain = text.trim().replace(/(\d)[_ ](?=\d)/g, '$1');
  const percent = /^([\d.]+)\s*%$/.exec(plain);
  if (percent !== null) return String(fromPercent(Number(percent[1])));
  const point = plain.replace(/^([-+]?\d+),(\d+)$/, '$1.$2');
  return point !== '' && Number.isFinite(Number(point)) ? point : undefined;
}

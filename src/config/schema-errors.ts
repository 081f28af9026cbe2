/** Turns the schema validator's errors into diagnostics with positions and suggestions. */
import type { Diagnostic } from '../util/errors.js';
import { describeExpected } from './expected.js';
import type { SchemaError } from './schema/schema.js';
import {
  decidingKeys,
  experimentSchema,
  formFor,
  narrow,
  propertiesOf,
  type Schema,
  schemaAt,
  taggedWithin,
  valueAt,
} from './schema/walk.js';
import { findElsewhere, meantKey, meantTag, suggestValue } from './suggest.js';
import {
  describeValue,
  formatPath,
  isBroken,
  Locator,
  type MapNode,
  nodeAt,
  type Path,
  toPlain,
} from './yaml/tree.js';

/**
 * Describes the schema errors of a file, without errors that only repeat others.
 * @param root schema of the file; by default that of a config
 */
export function explainSchemaErrors(
  errors: readonly SchemaError[],
  tree: MapNode,
  root = experimentSchema(),
): Diagnostic[] {
  const explainer = new Explainer(tree, root);
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
function isInOtherBranch(error: SchemaError, union: SchemaError): boolean {
  const inside = `${union.schemaPath}/`;
  if (!error.schemaPath.startsWith(inside) || !error.instancePath.startsWith(union.instancePath))
    return false;
  return narrowed(union) !== Number(error.schemaPath.slice(inside.length).split('/')[0]);
}

/** Index of the branch of an untagged union that matches the value; -1 if none does. */
function narrowed({ parentSchema, data }: SchemaError): number {
  const { oneOf = [] } = parentSchema as Schema;
  const form = formFor(oneOf, data);
  return form === undefined ? -1 : oneOf.indexOf(form);
}

/** `/gates/0/min` -> `['gates', '0', 'min']` */
function pathOf({ instancePath }: SchemaError): string[] {
  const steps = instancePath.split('/').slice(1);
  return steps.map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

class Explainer {
  private readonly config: unknown;
  private readonly locator: Locator;

  constructor(
    private readonly tree: MapNode,
    private readonly root: Schema,
  ) {
    this.config = toPlain(tree);
    this.locator = new Locator(tree);
  }

  explain(error: SchemaError): Diagnostic | undefined {
    const path = pathOf(error);
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
        const message = `the key \`${path.at(-1)}\` cannot be combined with the other keys here`;
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
      const forms = decidingKeys(schemaAt(path, undefined, this.root) ?? {}).filter(one => one !== key);
      const tags = `\`${key}\`: ${union.branches.map(branch => branch.tag).join(' | ')}`;
      return this.locator.atKey([...path, ...misnamed], 'config/missing-key', message, {
        expected: [tags, ...forms.map(one => `or \`${one}\``)].join(', '),
        suggestion: misnamed.length > 0 ? key : undefined,
      });
    }
    // an unknown key that probably means the missing one is reported itself
    const properties = this.propertiesAt(path);
    const given = Object.keys(valueAt(this.config, path) ?? {}).filter(one => !properties.has(one));
    if (given.some(one => meantKey(one, properties) === key)) return undefined;
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

  private wrongValue(path: Path, error: SchemaError): Diagnostic {
    const node = nodeAt(this.tree, path)?.value ?? this.tree;
    const schema = error.parentSchema as Schema;
    const what = path.length === 0 ? 'the config' : `\`${formatPath(path)}\``;
    const words = error.message?.replace('NOT', 'not').replace('## ', '');
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

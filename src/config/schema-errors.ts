/**
 * Turns the schema validator's errors into diagnostics with positions, valid alternatives and
 * suggestions.
 */
import type { Diagnostic } from '../util/errors.js';
import { describeExpected } from './expected.js';
import type { SchemaError } from './schema/schema.js';
import {
  decidingKeys,
  experimentSchema,
  formFor,
  isRecord,
  narrow,
  propertiesOf,
  type Schema,
  schemaAt,
  taggedWithin,
} from './schema/walk.js';
import { meantKey, meantTag, suggestValue } from './suggest.js';
import { unknownKey } from './unknown-key.js';
import { positionOf } from './yaml/source.js';
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

  /** A key of a dataset that does not belong to what another key chooses. */
  private foreignKey(path: Path): Diagnostic {
    const parent = nodeAt(this.tree, path.slice(0, -1))?.value;
    const siblings = parent === undefined ? undefined : toPlain(parent);
    const { per_file, problem, input_kind = 'number' } = isRecord(siblings) ? siblings : {};
    const key = path[path.length - 1];
    const choice =
      key === 'id'
        ? 'sequence'
        : per_file !== undefined
          ? `per_file: ${per_file}`
          : problem === undefined
            ? `input_kind: ${input_kind}`
            : `problem: ${problem}`;
    return {
      code: 'config/foreign-key',
      message: `the key \`${key}\` does not belong to \`${choice}\``,
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

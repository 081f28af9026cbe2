/**
 * Definitions of what users write and programs read. One definition is a JSON Schema
 * (`schemas/*.json` are written from them), the TypeScript type of a value, and, for a key of a
 * config, its facts.
 *
 *     const adam = section(
 *       {
 *         kind: literal('adam', { description: 'Adam.' }),
 *         eps: number({ above: 0, max: 1, default: 1e-8, description: '…' }),
 *       },
 *       { effects: ['numerics'] },
 *     );
 *     type Adam = TypeOf<typeof adam>; // { readonly kind: 'adam'; readonly eps: number }
 */

/** Texts about a component, for schemas and pages alone: exported modules leave them out. */
export const described = <const T extends object>(texts: T): T => texts;

/** A JSON Schema as it is written to its file. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What a change of a key of a config affects. */
export const EFFECTS = {
  numerics: 'the computation itself',
  data: 'what is read',
  data_order: 'which sequences are in which batch, and when',
  initialisation: 'the initial weights',
  length: 'the length of training',
  evaluations: 'the steps that are evaluated, and so the best values',
  selection: 'which checkpoint is the best',
  final: 'which weights the run ends with',
  unknown: 'a key that this version does not know',
};

export type Effect = keyof typeof EFFECTS;

/**
 * Whether a key may change when a run resumes. `safe`: results up to the previous end stay the
 * same. `unsafe`: only if the user allows it by name. `never`: not at all. With the reason, unless
 * an effect says enough.
 */
export type OnResume = 'safe' | 'unsafe' | { readonly unsafe: string } | { readonly never: string };

/** The parts of a config that effects depend on. */
export interface FactsContext {
  readonly dataset?: { readonly seed?: unknown } | undefined;
  readonly optimizer?: {
    readonly schedule?: { readonly kind: string; readonly length?: unknown } | undefined;
  };
  readonly training?: { readonly early_stopping?: object | undefined };
  readonly checkpoint?: {
    readonly keep?: { readonly best?: number | undefined } | undefined;
    readonly final?: string | undefined;
  };
  readonly gates?: readonly { readonly over?: string | undefined }[];
}

export interface ValueChange {
  /** Null if the key was not set; likewise `to`. */
  readonly from: unknown;
  readonly to: unknown;
}

export interface KeyFacts {
  /**
   * Runs that differ only in keys without an effect, or with `selection` alone, have the same
   * weights and metrics.
   */
  readonly effects: readonly Effect[] | ((config: FactsContext) => readonly Effect[]);
  /** Absent: `safe` if the key changes no step (`changesSteps`), else `unsafe`. */
  readonly resume?: OnResume | ((change: ValueChange, config: FactsContext) => OnResume | undefined);
}

declare const type: unique symbol;

/**
 * A definition of values of type T. `Present`: a complete mapping has the key. `Known`: each key
 * in it has facts.
 */
export interface Shape<T = unknown, Present extends boolean = boolean, Known extends boolean = boolean> {
  /** Built if asked for: a program that runs needs only the keys and their facts. */
  schema(): JsonSchema;
  definitions(): Readonly<Record<string, JsonSchema>>;
  /** Of this key and of all below that have none of their own. */
  readonly facts: Partial<KeyFacts>;
  /** What it consists of: keys, and the alternatives of a union or items of a list. */
  readonly keys: Readonly<Record<string, Shape>>;
  readonly parts: readonly Shape[];
  readonly required: boolean;
  /** Of a key of a `struct`. */
  readonly optional?: true;
  readonly measured?: 'always' | 'perhaps';
  readonly [type]?: { readonly value: T; readonly present: Present; readonly known: Known };
}

/** The type of a complete value: every default filled in. */
export type TypeOf<S extends Shape> = S extends Shape<infer T> ? T : never;

interface Options {
  /** Its name in the schema, which writes it once. */
  readonly name?: string;
  readonly description?: string;
  readonly title?: string;
  readonly default?: unknown;
  /** A default that depends on other keys, in words. */
  readonly defaultText?: string | undefined;
  /** True if the run chooses the default: a complete mapping may lack the key. */
  readonly runDefault?: true;
  readonly required?: true;
  readonly examples?: readonly unknown[] | undefined;
  readonly aliases?: readonly string[];
  /** Keys that are not inherited from an extended config if this key is set. */
  readonly excludes?: readonly string[];
  /** A pattern, or many choices, in words. */
  readonly form?: string;
  /** True for the path of a file. */
  readonly path?: true;
  readonly effects?: KeyFacts['effects'];
  readonly resume?: KeyFacts['resume'];
}

type IsPresent<O> = O extends { runDefault: true }
  ? false
  : O extends { required: true } | { default: unknown } | { defaultText: string }
    ? true
    : false;

type HasFacts<O> = O extends { effects: unknown } ? true : false;
/** True if all of a union of definitions are known. */
type AllKnown<S> = [S] extends [Shape<unknown, boolean, true>] ? true : false;
type Either<A, B> = A extends true ? true : B extends true ? true : false;

const ANNOTATIONS = {
  title: 'title',
  description: 'description',
  default: 'default',
  defaultText: 'x-default',
  runDefault: 'x-run-default',
  examples: 'examples',
  aliases: 'x-aliases',
  excludes: 'x-excludes',
  form: 'x-form',
  path: 'x-path',
} as const;

const LIMITS = {
  min: 'minimum',
  above: 'exclusiveMinimum',
  max: 'maximum',
  below: 'exclusiveMaximum',
  minLength: 'minLength',
  maxLength: 'maxLength',
  pattern: 'pattern',
  minItems: 'minItems',
  maxItems: 'maxItems',
  unique: 'uniqueItems',
  minKeys: 'minProperties',
  maxKeys: 'maxProperties',
} as const;

type Limits = { readonly [L in keyof typeof LIMITS]?: number | string | boolean };

/** The keywords of `options`, in the order of the tables. */
function keywords(options: object, table: Readonly<Record<string, string>>): JsonSchema {
  const found = Object.entries(table).flatMap(([option, keyword]) => {
    const value: unknown = Reflect.get(options, option);
    return value === undefined ? [] : [[keyword, value] as const];
  });
  return Object.fromEntries(found);
}

function shape<T, O extends Options | string, Known extends boolean = HasFacts<O>>(
  given: O,
  json: () => JsonSchema,
  { keys = {}, parts = [] }: Partial<Pick<Shape, 'keys' | 'parts'>> = {},
): Shape<T, IsPresent<O>, Known> {
  const options = optionsOf(given);
  const schema = (): JsonSchema => {
    const { title, description, ...rest } = keywords(withExample(options), ANNOTATIONS);
    const heading = {
      ...(title !== undefined && { title }),
      ...(description !== undefined && { description }),
    };
    return { ...heading, ...json(), ...keywords(options, LIMITS), ...rest };
  };
  const definitions = () =>
    Object.assign({}, ...[...Object.values(keys), ...parts].map(part => part.definitions()));
  const whole = { facts: factsOf(options), keys, parts, required: options.required === true };
  return namedBy(options, { ...whole, schema, definitions });
}

/** @param options those of a definition, or its description alone */
function optionsOf<O extends Options>(options: O | string): O | Options {
  return typeof options === 'string' ? { description: options } : options;
}

/** A default of a plain value is an example of it, unless there are others. */
function withExample({ default: value, examples, ...others }: Options): Options {
  const isPlain = value !== undefined && typeof value !== 'object';
  return { ...others, default: value, examples: examples ?? (isPlain ? [value] : undefined) };
}

function factsOf({ effects, resume }: Options): Partial<KeyFacts> {
  return { ...(effects && { effects }), ...(resume && { resume }) };
}

type NumberOptions = Options & Pick<Limits, 'min' | 'above' | 'max' | 'below'>;

export const number = <const O extends NumberOptions | string>(options: O) =>
  shape<number, O>(options, () => ({ type: 'number' }));

export const integer = <const O extends NumberOptions | string>(options: O) =>
  shape<number, O>(options, () => ({ type: 'integer' }));

export const boolean = <const O extends Options | string>(options: O) =>
  shape<boolean, O>(options, () => ({ type: 'boolean' }));

type TextOptions = Options & Pick<Limits, 'minLength' | 'maxLength' | 'pattern'>;

export const text = <const O extends TextOptions | string>(options: O) =>
  shape<string, O>(options, () => ({ type: 'string' }));

export const literal = <const T, const O extends Options>(value: T, options: O | string) =>
  shape<T, O & { required: true }>({ ...(optionsOf(options) as O), required: true }, () => ({
    const: value,
  }));

/** A literal that tells mappings apart; it is its own example. */
export const tag = <const T, const O extends Options>(value: T, options: O) =>
  literal(value, { ...options, examples: [value] });

export const choice = <const T, const O extends Options | string>(values: readonly T[], options: O) =>
  shape<T, O>(options, () => ({ enum: values }));

/** A choice of texts among other forms of a value. */
export const word = <const T extends string, const O extends Options>(values: readonly T[], options: O) =>
  shape<T, O>(options, () => ({ type: 'string', enum: values }));

type ListOptions = Options & Pick<Limits, 'minItems' | 'maxItems' | 'unique'>;
type Items<T, O> = O extends { minItems: 2; maxItems: 2 } ? readonly [T, T] : readonly T[];

export const list = <S extends Shape, const O extends ListOptions | string>(item: S, options: O) =>
  shape<Items<TypeOf<S>, O>, O, Either<HasFacts<O>, AllKnown<S>>>(
    options,
    () => ({ type: 'array', items: item.schema() }),
    { parts: [item] },
  );

export const oneOrMore = <const O extends ListOptions & TextOptions>(item: Shape<string>, options: O) =>
  shape<string | Items<string, O>, O>(options, () => ({ type: ['string', 'array'], items: item.schema() }), {
    parts: [item],
  });

export type Fields = Readonly<Record<string, Shape>>;
export type Flat<T> = { [K in keyof T]: T[K] };
export type PresentKeys<P> = { [K in keyof P]: P[K] extends Shape<unknown, true> ? K : never }[keyof P];
export type Mapping<P extends Fields> = Flat<
  { readonly [K in PresentKeys<P>]: TypeOf<P[K]> } & {
    readonly [K in Exclude<keyof P, PresentKeys<P>>]?: TypeOf<P[K]>;
  }
>;

interface ObjectOptions extends Options, Pick<Limits, 'minKeys' | 'maxKeys'> {
  /** Conditions between keys, as JSON Schema. */
  readonly rules?: JsonSchema;
}

function mappingSchema(
  keys: Fields,
  { rules }: ObjectOptions,
  isRequired = ({ required }: Shape) => required,
): JsonSchema {
  const required = Object.keys(keys).filter(key => isRequired(keys[key]));
  const properties = Object.entries(keys).flatMap(([key, { schema, measured }]) => [
    [key, schema()] as const,
    ...(measured ? [[`${key}_nonfinite`, nonFinite.schema()] as const] : []),
  ]);
  return {
    type: 'object',
    additionalProperties: false,
    ...(required.length > 0 && { required }),
    properties: Object.fromEntries(properties),
    ...rules,
  };
}

/** A mapping with these keys and no others. */
export const section = <P extends Fields, const O extends ObjectOptions>(keys: P, options: O) =>
  shape<Mapping<P>, O, Either<HasFacts<O>, AllKnown<P[keyof P]>>>(
    options,
    () => mappingSchema(keys, options),
    { keys },
  );

/** A mapping of a union, which `kind` tells apart from the others. */
export interface Variant<Kind extends string, P extends Fields> {
  readonly kind: Kind;
  readonly description: string;
  /** Names of it in other libraries. */
  readonly aliases?: readonly string[];
  readonly keys: P;
}

export type VariantOf<Kind extends string, P extends Fields> = Flat<{ readonly kind: Kind } & Mapping<P>>;

export const variant = <const Kind extends string, P extends Fields>({
  kind,
  description,
  aliases,
  keys,
}: Variant<Kind, P>) =>
  section({ kind: tag(kind, { description }), ...keys }, { description, ...(aliases && { aliases }) });

/** A condition between keys, for `rules`. Each part is a JSON Schema. */
export function when(condition: JsonSchema, consequence: JsonSchema, otherwise?: JsonSchema): JsonSchema {
  const parts: [keyword: string, schema: JsonSchema][] = [
    ['if', condition],
    ['then', consequence],
  ];
  return Object.fromEntries(otherwise ? [...parts, ['else', otherwise]] : parts);
}

/** Mappings that the literal `tag` tells apart. */
export const union = <S extends Shape, const O extends Options>(
  tag: string,
  parts: readonly S[],
  options: O,
) => {
  const schema = () => {
    const oneOf = parts.map(part => part.schema());
    return { type: 'object', required: [tag], discriminator: { propertyName: tag }, oneOf };
  };
  return shape<TypeOf<S>, O, Either<HasFacts<O>, AllKnown<S>>>(options, schema, { parts });
};

/** The settings of a table of components, by `tag`; the schema calls each `KIND_name`. */
export const settingsOf = <C extends { readonly settings: Shape }, const O extends Options>(
  name: string,
  tag: string,
  components: Readonly<Record<string, C>>,
  options: O,
) => {
  const parts = Object.entries(components).map(([kind, { settings }]) => named(`${kind}_${name}`, settings));
  return named(name, union(tag, parts as C['settings'][], options));
};

/** `part` in another place, with other options. */
export const like = <T, K extends boolean, const O extends Options>(
  part: Shape<T, boolean, K>,
  options: O,
): Shape<T, IsPresent<O>, Either<HasFacts<O>, K>> => {
  const { keys, parts, definitions } = part;
  const facts = { ...part.facts, ...factsOf(options) };
  const schema = () => ({ ...part.schema(), ...keywords(options, ANNOTATIONS) });
  return namedBy(options, { facts, keys, parts, required: options.required === true, schema, definitions });
};

/** The same definition, of a key that must be given. */
export const required = <T, K extends boolean>(part: Shape<T, boolean, K>) => like(part, { required: true });

/** A union of mappings, each with more keys. */
export const extended = <S extends Shape, P extends Fields, const O extends Options>(
  base: S,
  keys: P,
  options: O,
) => {
  const schema = () => {
    const more = mappingSchema(keys, {});
    // common keys are checked even if no alternative matches
    return { type: 'object', ...withKeys(base.schema(), more), properties: more.properties };
  };
  const parts = { keys, parts: [base] };
  return like(shape<TypeOf<S> & Mapping<P>, object, AllKnown<S | P[keyof P]>>({}, schema, parts), options);
};

function withKeys(schema: JsonSchema, more: JsonSchema): JsonSchema {
  const { oneOf, required = [], properties } = schema as MappingSchema;
  if (oneOf) return { ...schema, oneOf: oneOf.map(form => withKeys(form, more)) };
  const { required: alsoRequired = [], properties: others } = more as MappingSchema;
  return { ...schema, required: [...required, ...alsoRequired], properties: { ...properties, ...others } };
}

interface MappingSchema {
  readonly oneOf?: readonly JsonSchema[];
  readonly required?: readonly string[];
  readonly properties?: JsonSchema;
}

export const either = <S extends Shape, const O extends Options>(parts: readonly S[], options: O) =>
  shape<TypeOf<S>, O, Either<HasFacts<O>, AllKnown<S>>>(
    options,
    () => ({ oneOf: parts.map(({ schema }) => schema()) }),
    { parts },
  );

/** `part` with a name in the schema, as by the option `name`. */
export const named = <S extends Shape>(name: string, part: S): S => ({
  ...part,
  schema: () => ({ $ref: `#/definitions/${name}` }),
  definitions: () => ({ ...part.definitions(), [name]: part.schema() }),
});

const namedBy = <S extends Shape>({ name }: Options, part: S): S =>
  name === undefined ? part : named(name, part);

/**
 * A JSON Schema as the content of its file.
 * @param version of cellrun: a URL means the same schema for ever
 */
export function schemaText(name: string, shape: Shape, version: string): string {
  const definitions = shape.definitions();
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: `https://unpkg.com/cellrun@${version}/schemas/${name}.schema.json`,
    ...shape.schema(),
    ...(Object.keys(definitions).length > 0 && { definitions }),
  };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

/**
 * All keys of `whole` by their paths without the indexes of lists. A key without facts does not
 * compile.
 */
export function factsByKey(whole: Shape<unknown, boolean, true>) {
  return factsBelow(whole, [], {});
}

function factsBelow(
  part: Shape,
  path: readonly string[],
  around: Partial<KeyFacts>,
): [path: string, facts: KeyFacts][] {
  const facts = { ...around, ...part.facts };
  const inner = [
    ...Object.entries(part.keys).flatMap(([key, one]) => factsBelow(one, [...path, key], facts)),
    ...part.parts.flatMap(member => factsBelow(member, path, facts)),
  ];
  return inner.length > 0 ? inner : [[path.join('.'), facts as KeyFacts]];
}

export const anything = <T, const O extends Options | string = Options | string>(options: O) =>
  shape<T, O>(options, () => ({}));

/** A mapping from any key to values of one kind. */
export const mapOf = <S extends Shape, const O extends ObjectOptions | string>(value: S, options: O) =>
  shape<Readonly<Record<string, TypeOf<S>>>, O>(
    options,
    () => ({ type: 'object', additionalProperties: value.schema() }),
    { parts: [value] },
  );

/** The same, or null. */
export function nullable<T, P extends boolean, K extends boolean>(
  part: Shape<T, P, K>,
  options: Pick<Options, 'description'> = {},
): Shape<T | null, P, K> {
  const schema = () => {
    const { type: kind, enum: values, description, ...rest } = part.schema();
    const text = options.description ?? description;
    const heading = text === undefined ? {} : { description: text };
    if (kind !== undefined) return { ...heading, type: [...new Set([kind, 'null'].flat())], ...rest };
    if (Array.isArray(values)) return { ...heading, enum: [...values, null], ...rest };
    return { ...heading, oneOf: [part.schema(), { type: 'null' }] };
  };
  return { ...part, schema };
}

// what programs write

/** A whole number of things. */
export const count = (description: string, min = 0) => integer({ description, min });

export const amount = (description: string) => number({ description, min: 0 });

export const sha256 = (description: string) => text({ description, pattern: '^[0-9a-f]{64}$' });

/** A key that a `struct` may lack. */
export const optional = <S extends Shape>(part: S): S & { readonly optional: true } => ({
  ...part,
  optional: true,
});

/** The name of a number that is not finite, which JSON cannot represent. */
export const nonFinite = named(
  'nonfinite',
  choice(['nan', 'inf', '-inf'], 'The value that JSON cannot represent; the field itself is null.'),
);

/**
 * A number that may be not finite. In a file it is then null, and `KEY_nonfinite` in the same
 * `struct` has its name.
 */
export const measured = (options: NumberOptions | string) => spelledOut(number(options), 'always');

/** The same, or null if it was not measured. */
export const perhapsMeasured = (options: NumberOptions | string) =>
  spelledOut(nullable(number(options)), 'perhaps');

export const listedNumber = shape<number, Options>(
  { description: 'A number, or its name if it is not finite.', form: 'number' },
  () => ({ oneOf: [{ type: 'number' }, nonFinite.schema()] }),
  { parts: [nonFinite] },
);

/** Numbers by name that may be not finite. */
export const measurements = named(
  'metrics',
  shape<Readonly<Record<string, number>>, Options>(
    {
      description:
        'Values of one split by name; a value that is not finite is null with <name>_nonfinite beside it.',
    },
    () => ({
      type: 'object',
      additionalProperties: false,
      patternProperties: {
        '^[a-z][a-z0-9_]*_nonfinite$': nonFinite.schema(),
        '^(?!.*_nonfinite$)[a-z][a-z0-9_]*$': { type: ['number', 'null'] },
      },
    }),
    { parts: [nonFinite] },
  ),
);

export function spelledOut<T>(
  part: Shape<T>,
  measured: 'always' | 'perhaps',
): Shape<T> & Required<Pick<Shape, 'measured'>> {
  return { ...part, schema: nullable(part).schema, definitions: nonFinite.definitions, measured };
}

type Optional<P> = { [K in keyof P]: P[K] extends { readonly optional: true } ? K : never }[keyof P];
export type Struct<P extends Fields> = Flat<
  { readonly [K in Exclude<keyof P, Optional<P>>]: TypeOf<P[K]> } & {
    readonly [K in Optional<P>]?: TypeOf<P[K]>;
  }
>;

/**
 * A mapping that programs write, with each of these keys that is not `optional` and no others. Its
 * description comes first, since the keys are long.
 */
export function struct<const O extends ObjectOptions | string, P extends Fields>(options: O, fields: P) {
  const schema = () =>
    mappingSchema(fields, optionsOf<ObjectOptions>(options), ({ optional }) => optional !== true);
  return shape<Struct<P>, O>(options, schema, { keys: fields });
}

export const namedStruct = <P extends Fields>(name: string, options: ObjectOptions | string, fields: P) =>
  named(name, struct(options, fields));

/** The `struct` of a whole file, or of what a verb prints. */
export const document = <P extends Fields>(title: string, description: string, fields: P) =>
  struct({ title, description }, fields);

/** The fields of a `struct` as its file has them. */
export type Spelled<P extends Fields> = Flat<
  {
    readonly [K in keyof Struct<P>]: P[K] extends { readonly measured: string }
      ? Struct<P>[K] | null
      : Struct<P>[K];
  } & {
    readonly [K in keyof P & string as P[K] extends { readonly measured: string }
      ? `${K}_nonfinite`
      : never]?: TypeOf<typeof nonFinite>;
  }
>;

/**
 * JSON Schemas as Markdown: each object becomes a section with a table of its keys. Objects within
 * it that have a definition of their own get a section; the keys of others are listed with a dotted
 * path.
 */
import { type Schema as ResolvedSchema, readSchema } from '../../src/config/schema/schema.js';

/** A schema as its file has it: references and definitions are not resolved. */
interface Schema extends Omit<ResolvedSchema, 'properties' | 'additionalProperties' | 'items' | 'oneOf'> {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema | boolean>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly definitions?: Readonly<Record<string, Schema>>;
}

/** Text of a table's cell: no line break, no column separator, no HTML. */
export function cell(text: string): string {
  return text
    .replaceAll('\n', ' ')
    .split(/(`[^`]*`)/)
    .map(part => (part.startsWith('`') ? part : part.replaceAll('<', '&lt;').replaceAll('*', '\\*')))
    .join('')
    .replaceAll('|', '\\|');
}

export function code(text: string): string {
  return `\`${text}\``;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The address of a heading, as GitHub and VitePress both make it of these headings. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

export class SchemaTables {
  private readonly root: Schema;
  /** Headings by definition, so that a second mention links to the first. */
  private readonly headings = new Map<string, string>();
  private readonly lines: string[] = [];

  constructor(
    name: string,
    private readonly withDefaults: boolean,
  ) {
    this.root = readSchema(name) as Schema;
  }

  /** Whether the top level is a union told apart by a tag. */
  get isUnion(): boolean {
    return this.root.discriminator !== undefined;
  }

  get introduction(): string {
    return text(sentence(this.root.description ?? ''));
  }

  /**
   * The table of the top level under `heading`, then a section for each key that has its own.
   *
   * @param level of the heading; `below` of the other sections
   */
  whole(heading: string, level: number, below = level): string {
    const description = this.withDefaults ? undefined : this.root.description;
    this.lines.push(headline(level, heading), '');
    if (description !== undefined) this.lines.push(text(sentence(description)), '');
    this.keysTable('', this.root, below - 1, []);
    return this.lines.join('\n').trimEnd();
  }

  /**
   * A section for each branch of a union at the top level, headed by its tag. Keys in `hidden` are
   * not listed.
   */
  branches(level: number, hidden: readonly string[]): string {
    const key = this.root.discriminator?.propertyName ?? '';
    for (const branch of this.root.oneOf ?? []) {
      const schema = this.resolved(branch);
      const tag = String(this.property(schema, key)?.const);
      this.lines.push(`${'#'.repeat(level)} ${code(tag)}`, '');
      if (schema.description !== undefined) this.lines.push(text(sentence(schema.description)), '');
      this.keysTable('', schema, level, [key, ...hidden]);
    }
    return this.lines.join('\n').trimEnd();
  }

  commonFields(names: readonly string[]): string {
    return table(
      ['Field', 'Type', 'Meaning'],
      names.map(name => {
        const schema = this.root.definitions?.[name] ?? {};
        return [code(name), cell(this.typeOf(schema)), cell(sentence(schema.description ?? ''))];
      }),
    );
  }

  /** @param path of the keys below, such as `optimizer.schedule`; empty at the top */
  private section(path: string, heading: string, schema: Schema, level: number): void {
    this.lines.push(headline(level, heading), '');
    if (schema.description !== undefined) this.lines.push(text(sentence(schema.description)), '');
    const union = this.taggedUnion(schema);
    if (union === undefined) {
      this.keysTable(path, schema, level, []);
      return;
    }
    const branches = union.oneOf.map(branch => this.resolved(branch));
    const tags = branches.map(branch => {
      const tag = this.property(branch, union.key);
      return (tag?.enum ?? [tag?.const]).map(String);
    });
    const headings = tags.map(names => `${path}: ${names.join(', ')}`);
    this.lines.push(
      table(
        [code(union.key), 'Meaning'],
        branches.map((branch, i) => [
          `[${tags[i].map(code).join(', ')}](#${anchorOf(headings[i])})`,
          cell(sentence(branch.description ?? '')),
        ]),
      ),
      '',
    );
    const later = [...this.keysTable(path, schema, level, [], 'later')];
    const common = this.forms(schema).flatMap(form => Object.keys(form.properties ?? {}));
    for (const [i, branch] of branches.entries()) {
      this.lines.push(headline(level + 1, headings[i]), '');
      later.push(...this.keysTable(path, branch, level, [union.key, ...common], 'later'));
    }
    for (const write of later) write();
  }

  /**
   * The keys of an object, and then the sections that they refer to and that are not written yet;
   * these are returned instead if they are to come `later`.
   */
  private keysTable(
    path: string,
    schema: Schema,
    level: number,
    hidden: readonly string[],
    sections: 'now' | 'later' = 'now',
  ): readonly (() => void)[] {
    const later: (() => void)[] = [];
    const rows = this.rows(schema, path, '', hidden, (name, title) => {
      later.push(() => this.section(title, title, this.definition(name), level + 1));
    });
    if (rows.length > 0) {
      const head = this.withDefaults ? ['Key', 'Type', 'Default', 'Meaning'] : ['Field', 'Type', 'Meaning'];
      this.lines.push(table(head, rows), '');
    } else if (hidden.length > 0) this.lines.push('It has no further keys.', '');
    if (sections === 'later') return later;
    for (const write of later) write();
    return [];
  }

  private rows(
    schema: Schema,
    path: string,
    prefix: string,
    hidden: readonly string[],
    refer: (name: string, title: string) => void,
  ): string[][] {
    return this.forms(schema).flatMap(form =>
      Object.entries(form.properties ?? {}).flatMap(([key, raw]) => {
        if (typeof raw === 'boolean' || hidden.includes(key)) return [];
        const isRequired = form.required?.includes(key) === true;
        const property = this.resolved(raw);
        const here = `${prefix}${key}`;
        const own = this.ownSection(raw, property, path === '' ? here : `${path}.${here}`, refer);
        const whole = sentence(property.description ?? '');
        const meaning = cell(own === undefined ? whole : firstSentence(whole));
        const type = own ?? cell(this.typeOf(property));
        const row = this.withDefaults
          ? [code(here), type, cell(defaultOf(property, isRequired)), meaning]
          : [code(here), type, isRequired ? meaning : `${meaning} Optional.`.trim()];
        return own === undefined ? [row, ...this.rowsBelow(property, path, here, refer)] : [row];
      }),
    );
  }

  /** The keys of an object, or of a list's objects, that have no definition of their own. */
  private rowsBelow(
    schema: Schema,
    path: string,
    here: string,
    refer: (name: string, title: string) => void,
  ): string[][] {
    const { items, additionalProperties } = schema;
    if (items !== undefined) return this.rows(this.resolved(items), path, `${here}[].`, [], refer);
    const open = typeof additionalProperties === 'object' ? this.resolved(additionalProperties) : {};
    return [
      ...this.rows(schema, path, `${here}.`, [], refer),
      ...this.rows(open, path, `${here}.NAME.`, [], refer),
    ];
  }

  /** A link to the section of an object with a definition, or of a list's or mapping's objects. */
  private ownSection(
    raw: Schema,
    schema: Schema,
    path: string,
    refer: (name: string, title: string) => void,
  ): string | undefined {
    const open = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
    const inner = schema.items ?? open;
    const name = definitionOf(raw) ?? (inner === undefined ? undefined : definitionOf(inner));
    if (name === undefined) return undefined;
    const target = inner === undefined ? schema : this.resolved(inner);
    if (this.taggedUnion(target) === undefined && !this.hasKeys(target)) return undefined;
    const known = this.headings.get(name);
    const title = known ?? path.replaceAll('[]', '');
    if (known === undefined) {
      if ([...this.headings.values()].includes(title)) throw new Error(`two sections are called ${title}`);
      this.headings.set(name, title);
      refer(name, title);
    }
    const link = `[${code(title)}](#${anchorOf(title)})`;
    if (schema.items !== undefined) return `list of ${link}`;
    return open === undefined ? link : `mapping of ${link}`;
  }

  private hasKeys(schema: Schema): boolean {
    return this.forms(schema).some(form => Object.keys(form.properties ?? {}).length > 0);
  }

  /** A schema and the schemas that it is composed of, references followed. */
  private forms(schema: Schema): Schema[] {
    const parts = [
      ...(schema.allOf ?? []),
      ...(this.taggedUnion(schema) === undefined ? (schema.oneOf ?? []) : []),
    ];
    const inner = parts.map(part => this.resolved(part)).filter(part => !('if' in part));
    return [schema, ...inner.flatMap(part => this.forms(part))];
  }

  private taggedUnion(schema: Schema): { key: string; oneOf: readonly Schema[] } | undefined {
    const key = schema.discriminator?.propertyName;
    if (key !== undefined && schema.oneOf !== undefined) return { key, oneOf: schema.oneOf };
    for (const form of [...(schema.oneOf ?? []), ...(schema.allOf ?? [])]) {
      const found = this.taggedUnion(this.resolved(form));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  private property(schema: Schema, key: string): Schema | undefined {
    const property = schema.properties?.[key];
    return typeof property === 'object' ? this.resolved(property) : undefined;
  }

  private definition(name: string): Schema {
    const found = this.root.definitions?.[name];
    if (found === undefined) throw new Error(`the schema has no definition ${name}`);
    return found;
  }

  private resolved(schema: Schema): Schema {
    const name = definitionOf(schema);
    if (name === undefined) return schema;
    const { $ref, ...beside } = schema;
    return { ...this.resolved(this.definition(name)), ...beside };
  }

  private typeOf(raw: Schema): string {
    const schema = this.resolved(raw);
    if (schema.const !== undefined) return code(String(schema.const));
    if (schema['x-form'] !== undefined) return schema['x-form'];
    // a tab as \t
    if (schema.enum !== undefined)
      return schema.enum.map(value => code(JSON.stringify(value).replace(/^"(.*)"$/, '$1'))).join(', ');
    if (schema.oneOf !== undefined)
      return [...new Set(schema.oneOf.map(form => this.typeOf(form)))].join('; or ');
    const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? []);
    if (types.length === 0) return 'any';
    const names = types.map(type =>
      type === 'array' ? this.listOf(schema) : `${NAMES[type] ?? type}${boundsOf(schema, type)}`,
    );
    return names.join(' or ');
  }

  private listOf({ items = {}, minItems, maxItems }: Schema): string {
    const size = minItems !== undefined && minItems === maxItems ? `${minItems} ` : '';
    return `list of ${size}${PLURALS[this.typeOf(items)] ?? this.typeOf(items)}`;
  }
}

const NAMES: Readonly<Record<string, string>> = { object: 'mapping', null: 'null' };

const PLURALS: Readonly<Record<string, string>> = {
  string: 'strings',
  number: 'numbers',
  integer: 'integers',
  mapping: 'mappings',
};

function definitionOf({ $ref }: Schema): string | undefined {
  return $ref?.replace('#/definitions/', '');
}

function defaultOf(schema: Schema, isRequired: boolean): string {
  if (schema['x-default'] !== undefined) return schema['x-default'];
  if (schema.default !== undefined) return code(JSON.stringify(schema.default).replaceAll('"', ''));
  return isRequired ? 'required' : '–';
}

/** Bounds that a reader may run into; those of memory and of JSON are left out. */
function boundsOf(schema: Schema, type: string): string {
  if (type !== 'integer' && type !== 'number') return '';
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  const parts: string[] = [];
  if (minimum !== undefined && Math.abs(minimum) < 1e100) parts.push(`≥ ${minimum}`);
  if (exclusiveMinimum !== undefined) parts.push(`> ${exclusiveMinimum}`);
  if (maximum !== undefined && maximum < 2 ** 31) parts.push(`≤ ${maximum}`);
  if (exclusiveMaximum !== undefined) parts.push(`< ${exclusiveMaximum}`);
  return parts.length === 0 ? '' : ` ${parts.join(', ')}`;
}

function headline(level: number, heading: string): string {
  return `${'#'.repeat(Math.min(level, 6))} ${heading}`;
}

function firstSentence(words: string): string {
  return /^.*?[.:](?= |$)/.exec(words)?.[0].replace(/:$/, '.') ?? words;
}

/** Text outside of a table. */
function text(prose: string): string {
  return prose
    .split(/(`[^`]*`)/)
    .map(part => (part.startsWith('`') ? part : part.replaceAll('<', '&lt;')))
    .join('');
}

export function sentence(words: string): string {
  if (words === '') return '';
  const ended = /[.!?:…]$/.test(words) ? words : `${words}.`;
  return /^[a-z]+\.[a-z]/.test(ended) ? ended : `${ended[0].toUpperCase()}${ended.slice(1)}`;
}

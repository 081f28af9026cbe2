/**
 * Compiles every schema with ajv to a module in `config/validators/`, which the program loads when
 * it first validates with the schema: compiling at run time takes a second, and a page with a
 * strict content security policy cannot.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { _, Ajv, type KeywordCxt, str } from 'ajv';
import names from 'ajv/dist/compile/names.js';
import standalone from 'ajv/dist/standalone/index.js';
import { build, type Metafile } from 'esbuild';
import { type Schema, wholeSchema } from '../config/schema/schema.js';
import { packageRoot, validatorFile } from '../util/root.js';

const ENDING = '.schema.json';

/** Returns what the modules consist of. */
export async function writeValidators(): Promise<Metafile['inputs']> {
  const schemas = readdirSync(join(packageRoot, 'schemas')).filter(file => file.endsWith(ENDING));
  const written = schemas.map(file => file.slice(0, -ENDING.length)).map(writeValidator);
  return Object.assign({}, ...(await Promise.all(written)));
}

async function writeValidator(name: string): Promise<Metafile['inputs']> {
  const { metafile } = await build({
    absWorkingDir: packageRoot,
    stdin: { contents: validatorOf(wholeSchema(name)), resolveDir: packageRoot },
    outfile: validatorFile(name),
    bundle: true,
    minify: true,
    format: 'cjs',
    platform: 'node',
    target: 'es2022',
    charset: 'utf8',
    logLevel: 'warning',
    metafile: true,
  });
  return metafile.inputs;
}

/** The source of a module that exports the validation function of ajv. */
function validatorOf(schema: Schema): string {
  const ajv = new Ajv({
    strict: true,
    // a condition requires keys that the schema around it defines
    strictRequired: false,
    allowUnionTypes: true,
    allErrors: true,
    discriminator: true,
    // a test checks the schemas themselves
    meta: false,
    validateSchema: false,
    code: { source: true },
  });
  ajv.removeKeyword('$ref').addKeyword({ keyword: '$ref', schemaType: 'string', code: callPart });
  return standalone.default(ajv, ajv.compile(compact(schema, ajv)));
}

const { vErrors, errors, instancePath } = names.default;

/** Paths of errors lead through the whole schema, as if each reference were what it refers to. */
const WITH_ERRORS = _`(errors, found, path) => (errors ?? []).concat(
  found.map(error => ({ ...error, schemaPath: path + error.schemaPath.slice(1) })))`;

/** Validates with another schema of ajv. */
function callPart({ gen, schema, data, it }: KeywordCxt): void {
  const validate = gen.scopeValue('validate', { ref: it.self.getSchema(schema) });
  const withErrors = gen.scopeValue('func', { ref: WITH_ERRORS, code: WITH_ERRORS });
  gen.if(_`!${validate}(${data}, { instancePath: ${str`${instancePath}${it.errorPath}`} })`, () => {
    gen.assign(vErrors, _`${withErrors}(${vErrors}, ${validate}.errors, ${it.errSchemaPath})`);
    gen.assign(errors, _`${vErrors}.length`);
  });
}

/** Only readers of a schema and other code need these. */
const ANNOTATION = /^(?:\$|x-|(?:title|description|default|examples)$)/;

type Part = Schema | boolean;

/**
 * The schema without annotations. Equal parts become one schema of `ajv` and so one function, which
 * makes the module a third as long.
 */
function compact(schema: Schema, ajv: Ajv): object {
  const known = new Map<string, string>();

  const shared = (part: Part, tag?: string): unknown => {
    const content = bare(part, tag);
    if (typeof part === 'boolean' || part.const !== undefined) return content;
    const text = JSON.stringify(content);
    const name = known.get(text) ?? `part${known.size}`;
    if (!known.has(text)) ajv.addSchema(content as object, name);
    known.set(text, name);
    return { $ref: name };
  };

  /** @param tag key of a form of a union in which ajv looks for the values that select it */
  const bare = (part: Part, tag?: string): unknown => {
    if (typeof part === 'boolean') return part;
    const kept = Object.entries(part).filter(([keyword]) => !ANNOTATION.test(keyword));
    const each = (parts: Readonly<Record<string, Part>>) =>
      Object.fromEntries(
        Object.entries(parts).map(([key, subschema]) => [
          key,
          key === tag ? bare(subschema) : shared(subschema),
        ]),
      );
    const { properties, patternProperties, additionalProperties, items, oneOf, allOf } = part;
    const conditions = (['if', 'then', 'else'] as const).flatMap(keyword =>
      part[keyword] === undefined ? [] : [[keyword, bare(part[keyword])]],
    );
    return {
      ...Object.fromEntries([...kept, ...conditions]),
      ...(properties && { properties: each(properties) }),
      ...(patternProperties && { patternProperties: each(patternProperties) }),
      ...(additionalProperties !== undefined && { additionalProperties: shared(additionalProperties) }),
      // without their type, ajv compares all pairs
      ...(items && { items: part.uniqueItems ? bare(items) : shared(items) }),
      ...(oneOf && { oneOf: oneOf.map(form => shared(form, part.discriminator?.propertyName)) }),
      ...(allOf && { allOf: allOf.map(subschema => bare(subschema)) }),
    };
  };

  return bare(schema) as object;
}

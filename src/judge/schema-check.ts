/**
 * Checks files of any origin against the schemas. Reports violations with line and column, in
 * constant memory for logs.
 */
import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { compileSchema, wholeSchema } from '../config/schema/schema.js';
import { isRecord, type Schema } from '../config/schema/walk.js';
import { explainSchemaErrors } from '../config/wording/schema-errors.js';
import { parseConfig } from '../config/yaml/parse.js';
import { positionOf, SourceText } from '../config/yaml/source.js';
import { nodeAt } from '../config/yaml/tree.js';
import { soundLength } from '../run/files/json.js';
import { readText } from '../run/files/opened-file.js';
import { type Diagnostic, usageError } from '../util/errors.js';
import { findTrials, kindOf, runsAt } from './reading/find.js';
import { eachLine, TOO_LONG } from './reading/log-reader.js';

export interface CheckedFile {
  /** The path as given, or a path in the given directory. */
  readonly file: string;
  /** Name of the schema. */
  readonly schema: string;
  /** Number of lines of a log; 1 for a document. */
  readonly parts: number;
  /** Number of parts that violate the schema. */
  readonly wrong: number;
}

export interface SchemaCheck {
  readonly files: readonly CheckedFile[];
  /** The first `MAX_SHOWN` violations. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Maximum number of violations to report, more than anyone reads at once. */
export const MAX_SHOWN = 100;

/**
 * Checks files, and the files in directories of runs, experiments and sweeps.
 * @throws UserError (exit 2) if a path has no schema or cannot be read
 */
export function checkSchemas(paths: readonly string[]): SchemaCheck {
  const diagnostics: Diagnostic[] = [];
  const report = (found: readonly Diagnostic[]): void => {
    diagnostics.push(...found.slice(0, MAX_SHOWN - diagnostics.length));
  };
  const wantsMore = () => diagnostics.length < MAX_SHOWN;
  const files = paths.flatMap(filesAt).map(({ file, schema, isLog }): CheckedFile => {
    const checked = isLog ? checkLog(file, schema, report, wantsMore) : checkDocument(file, schema, report);
    return { file, schema, ...checked };
  });
  return { files, diagnostics };
}

interface Target {
  readonly file: string;
  readonly schema: string;
  readonly isLog: boolean;
}

/** Files in a run's directory and their schemas. */
const OF_RUN: readonly { readonly path: string; readonly schema: string; readonly isLog: boolean }[] = [
  { path: 'log.jsonl', schema: 'log-event', isLog: true },
  { path: 'manifest.json', schema: 'manifest', isLog: false },
  { path: 'summary.json', schema: 'summary', isLog: false },
  { path: 'evaluation.json', schema: 'evaluation', isLog: false },
  { path: 'notes.json', schema: 'notes', isLog: false },
  { path: 'checkpoints/index.json', schema: 'checkpoints', isLog: false },
];

function filesAt(path: string): Target[] {
  const unknown = (message: string) =>
    usageError({
      code: 'review/schema',
      message,
      file: path,
      expected:
        'a .jsonl log, a manifest.json, summary.json or baseline, or a directory of a run, an experiment or a sweep',
    });
  if (!existsSync(path)) throw unknown('the file or directory does not exist');
  if (!statSync(path).isDirectory()) {
    const target = fileTarget(path);
    if (target === undefined) throw unknown('no schema is known for a file of this name');
    return [target];
  }
  return inDirectory(path);
}

function fileTarget(file: string): Target | undefined {
  const name = basename(file);
  if (name === 'journal.jsonl') return { file, schema: 'journal', isLog: true };
  if (name.endsWith('.jsonl')) return { file, schema: 'log-event', isLog: true };
  // a sweep's summary is next to its journal
  if (name === 'summary.json' && existsSync(join(dirname(file), 'journal.jsonl')))
    return { file, schema: 'sweep-summary', isLog: false };
  const known = OF_RUN.find(({ path }) => name === basename(path));
  if (known) return { file, schema: known.schema, isLog: known.isLog };
  return name.endsWith('.json') ? { file, schema: 'baseline', isLog: false } : undefined;
}

function inDirectory(path: string): Target[] {
  const kind = kindOf(path);
  if (kind === 'run') return inRun(path);
  if (kind === undefined) return runsAt(path).flatMap(run => inRun(run.path));
  const own = [
    { file: join(path, 'journal.jsonl'), schema: 'journal', isLog: true },
    { file: join(path, 'summary.json'), schema: 'sweep-summary', isLog: false },
  ].filter(({ file }) => existsSync(file));
  return [...own, ...findTrials(path).flatMap(trial => inRun(trial.path))];
}

/** The files of a run. A killed run has no summary, and perhaps no others. */
function inRun(path: string): Target[] {
  return OF_RUN.map(({ path: inside, schema, isLog }) => ({
    file: join(path, inside),
    schema,
    isLog,
  })).filter(({ file }) => existsSync(file));
}

type Tell = (found: readonly Diagnostic[]) => void;

function checkLog(
  file: string,
  schema: string,
  report: Tell,
  wantsMore: () => boolean,
): Pick<CheckedFile, 'parts' | 'wrong'> {
  const validate = compileSchema(schema);
  let [lines, parts, wrong, next] = [0, 0, 0, 0];
  const { isTorn } = eachLine(file, (text, line) => {
    lines = line;
    if (text === undefined) {
      parts += 1;
      wrong += 1;
      if (wantsMore()) report([{ code: 'schema/not-json', message: TOO_LONG, file, line, column: 1 }]);
      return;
    }
    // a journal has an empty line before each record, so that a torn record does not corrupt the
    // next
    if (schema === 'journal' && text === '') return;
    parts += 1;
    const value = parsed(text);
    const isValid = value !== undefined && validate(value);
    const seq = seqOf(value);
    const wanted = next;
    const isNext = seq === undefined || seq === wanted;
    next = (seq ?? wanted) + 1;
    if (isValid && isNext) return;
    wrong += 1;
    if (!wantsMore()) return;
    const source = new SourceText(file, text, '');
    const found = isValid ? [] : violations(source, schema, value, [...(validate.errors ?? [])]);
    if (!isNext) found.push(gap(source, wanted, seq));
    report(found.map(one => ({ ...one, line })));
  });
  const ends = isTorn ? [tornEnd(file, lines + 1)] : lines === 0 ? [emptyLog(file)] : [];
  report(ends);
  return { parts: parts + Number(isTorn), wrong: wrong + ends.length };
}

/** `seq` counts from 0. After a gap, counting continues from the value found. */
function gap(source: SourceText, wanted: number, seq: number | undefined): Diagnostic {
  const { root } = parseConfig(source);
  const place = root && nodeAt(root, ['seq'])?.value.place;
  const position = place ? positionOf(place) : { file: source.file, column: 1 };
  return {
    code: 'schema/seq',
    message: '`seq` does not follow the previous line',
    ...position,
    expected: String(wanted),
    got: String(seq),
  };
}

function seqOf(value: unknown): number | undefined {
  const seq = typeof value === 'object' && value !== null && 'seq' in value ? value.seq : undefined;
  return typeof seq === 'number' ? seq : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A killed process may leave an incomplete line. */
function tornEnd(file: string, line: number): Diagnostic {
  const message = 'the last line is incomplete: its writer was stopped';
  return { code: 'schema/torn', message, file, line, column: 1 };
}

function emptyLog(file: string): Diagnostic {
  return { code: 'schema/empty', message: 'this log is empty', file, line: 1, column: 1 };
}

function checkDocument(file: string, schema: string, report: Tell): Pick<CheckedFile, 'parts' | 'wrong'> {
  const text = readText(file);
  const value = parsed(text);
  const validate = compileSchema(schema);
  if (value !== undefined && validate(value)) return { parts: 1, wrong: 0 };
  report(violations(new SourceText(file, text, ''), schema, value, [...(validate.errors ?? [])]));
  return { parts: 1, wrong: 1 };
}

/**
 * Explains violations with the code for configs, since JSON is YAML.
 * @param value undefined if the text is not JSON
 */
function violations(
  source: SourceText,
  schema: string,
  value: unknown,
  errors: Parameters<typeof explainSchemaErrors>[0],
): Diagnostic[] {
  if (!isRecord(value)) return [notJson(source)];
  const other = otherVersion(source, schema, value);
  if (other !== undefined) return [other];
  const { root } = parseConfig(source);
  const found = root === undefined ? [] : explainSchemaErrors(errors, root, wholeSchema(schema) as Schema);
  if (found.length > 0) return found.map(one => ({ ...one, code: one.code.replace('config/', 'schema/') }));
  const [{ instancePath, message }] = errors;
  return [
    {
      code: 'schema/value',
      message: `${instancePath} ${message}`.trim(),
      file: source.file,
      line: 1,
      column: 1,
    },
  ];
}

function notJson(source: SourceText): Diagnostic {
  const { text, file } = source;
  const code = 'schema/not-json';
  const length = soundLength(text);
  if (length === undefined) return { code, message: 'this is not a JSON object', file, line: 1, column: 1 };
  const isMarked = length === 0 && text.startsWith(BYTE_ORDER_MARK);
  return {
    code,
    message: isMarked ? 'this is not JSON: it starts with a byte order mark' : 'this is not JSON',
    ...positionOf(source.place(Math.min(length, Math.max(0, text.length - 1)))),
    expected: 'one JSON object',
  };
}

const BYTE_ORDER_MARK = '\ufeff';

/**
 * Reports another version of the format, which explains all other violations; undefined if the
 * version is supported.
 */
function otherVersion(
  source: SourceText,
  schema: string,
  value: Readonly<Record<string, unknown>>,
): Diagnostic | undefined {
  for (const key of ['version', 'v']) {
    const stated = (wholeSchema(schema) as Schema).properties?.[key];
    const known = typeof stated === 'object' ? stated.const : undefined;
    const found = value[key];
    if (typeof known !== 'number' || typeof found !== 'number' || found === known) continue;
    const { root } = parseConfig(source);
    const place = root && nodeAt(root, [key])?.value.place;
    return {
      code: 'schema/version',
      message: `format version ${found} is not supported (supported: ${known})`,
      ...(place ? positionOf(place) : { file: source.file, line: 1, column: 1 }),
    };
  }
  return undefined;
}

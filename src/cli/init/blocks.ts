/** Files of words and tags whose sequences are separated by blank lines, as in CoNLL. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import type { CsvConfig } from '../../data/csv.js';
import type { DatasetConfig } from '../../data/index.js';
import { RangedFile } from '../../data/reading/ranged-file.js';
import { UserError, usageError } from '../../util/errors.js';
import { programName, quoted } from '../command/command-line.js';
import { HintedError } from '../terminal/diagnostics.js';

/** What is looked at of a large file. */
const MAX_BYTES = 2 ** 20;
const MIN_BLOCKS = 5;
/** Mean number of lines. Blank lines after every line separate nothing. */
const MIN_LINES = 2;
/** How lines begin that are no words: comments, and the starts of documents in CoNLL-2003. */
const COMMENTS = ['# ', '-DOCSTART-'] as const;
const SEPARATORS = ['\t', ',', ';', '|', ' '] as const;

interface Blocks {
  readonly separator: string;
  /** True if comments precede the words of some blocks. */
  readonly hasComments: boolean;
  /** Number of columns, if they have no names. */
  readonly width: number | undefined;
}

/** Refuses such a file, unless a column tells the blocks apart: a table has no blank lines. */
export function refuseBlocks(path: string, bytes: Buffer): void {
  const blocks = blocksIn(bytes);
  if (blocks === undefined) return;
  const error = usageError('init/blocks', 'blank lines seem to separate the sequences', {
    file: path,
    expected: 'a column that numbers the sequences, or --group if there is one',
  });
  const names = ['sentence', 'word', 'tag'];
  throw numbered(error, path, { blocks, names, next: made => ['init', '--from', made] });
}

/** Of errors about the first line of a table. */
const OTHER_COLUMNS: ReadonlySet<string> = new Set(['data/csv-missing-column', 'data/csv-column-names']);

/**
 * Calls `use`, which reads new data of a model. Adds to its error about such a file how to number
 * the sequences, if the model reads their numbers.
 * @param next the words of a command that reads the file with the numbers
 */
export async function hintingAtBlocks<T>(
  dataset: DatasetConfig,
  next: (made: string) => readonly string[],
  use: () => Promise<T>,
): Promise<T> {
  try {
    return await use();
  } catch (error) {
    const group =
      dataset.kind === 'csv' && typeof dataset.sequence?.group === 'string'
        ? dataset.sequence.group
        : undefined;
    const { code, file } = (error instanceof UserError && error.diagnostics[0]) || {};
    if (group === undefined || file === undefined || !existsSync(file) || !OTHER_COLUMNS.has(String(code)))
      throw error;
    const names = namesIn(dataset as CsvConfig).filter(name => name !== group);
    const start = await RangedFile.open(file);
    const blocks = blocksIn(start.readNow({ from: 0, to: Math.min(start.size, MAX_BYTES + 1) }), names);
    throw blocks ? numbered(error as UserError, file, { blocks, names: [group, ...names], next }) : error;
  }
}

/** The columns of a table without a line of names, or those that a model reads and its target. */
function namesIn({ column_names, features, target }: CsvConfig): string[] {
  const read = features.flatMap(one => (typeof one === 'string' ? one : one.column));
  return column_names ? [...column_names] : [...new Set([...read, ...[target].flat()])];
}

/**
 * How the columns of a file are separated whose sequences are separated by blank lines alone.
 * @param names of its columns, if they are known; it may then have only one
 */
function blocksIn(bytes: Buffer, names?: readonly string[]): Blocks | undefined {
  const text = bytes.toString('utf8', 0, MAX_BYTES).replaceAll(/"[^"\n]*"/g, '""');
  const found = text
    .split(/(?:\r?\n[ \t]*){2,}/)
    .filter(block => block.trim() !== '')
    .map(block => block.trimEnd().split(/\r?\n/));
  if (bytes.length > MAX_BYTES) found.pop();
  const isComment = (line: string) => COMMENTS.some(start => line.startsWith(start));
  const starts = found.map(block => block.findIndex(line => !isComment(line)));
  // after other words, it is one
  const hasComments =
    found.some(block => isComment(block[0])) &&
    found.every((block, i) => starts[i] === -1 || !block.slice(starts[i]).some(isComment));
  const blocks = hasComments
    ? found.map(block => block.filter(line => !isComment(line))).filter(({ length }) => length > 0)
    : found;
  const lines = blocks.flat();
  if (blocks.length < MIN_BLOCKS || lines.length < MIN_LINES * blocks.length) return undefined;
  const separates = (one: string) => {
    const [{ length }, ...others] = lines.map(line => fieldsOf(line, one));
    return length > 1 && others.every(fields => fields.length === length);
  };
  const isAlone = names && !lines.some(line => SEPARATORS.some(one => line.includes(one)));
  const separator = isAlone ? '\t' : SEPARATORS.find(separates);
  if (separator === undefined) return undefined;
  // the first block may start with the names of the columns
  const others = blocks.slice(1).map(block => block.map(line => fieldsOf(line, separator)));
  const [first, ...rest] = lines.map(line => fieldsOf(line, separator));
  const tellsApart = (column: number) =>
    new Set(others.map(([fields]) => fields[column])).size === others.length &&
    others.every(block => block.every(fields => fields[column] === block[0][column]));
  if (first.some((_, column) => tellsApart(column))) return undefined;
  const isName = (name: string, column: number) =>
    names ? names.includes(name) : rest.every(fields => fields[column] !== name);
  const hasNames = !hasComments && first.every(isName);
  return { separator, hasComments, width: hasNames ? undefined : first.length };
}

/** Several spaces separate as one does. */
function fieldsOf(line: string, separator: string): string[] {
  return separator === ' ' ? line.trim().split(/\s+/) : line.split(separator);
}

interface Numbering {
  readonly blocks: Blocks;
  /** Of the numbers, of the words and of their tags, the only ones with names of their own. */
  readonly names: readonly string[];
  readonly next: (made: string) => readonly string[];
}

function numbered(error: UserError, path: string, { blocks, names, next }: Numbering): HintedError {
  const { separator, hasComments, width } = blocks;
  const python = JSON.stringify;
  const split = separator === ' ' ? 'split()' : `rstrip("\\n").split(${python(separator)})`;
  const made = `${basename(path).replace(/\.\w+$/, '')}-numbered.csv`;
  const [group, ...others] = names;
  const between = Array.from(
    { length: Math.max(0, (width ?? 0) - others.length) },
    (_, i) => `column${i + 2}`,
  );
  const columns = [...others.slice(0, -1), ...between, ...others.slice(-1)].slice(0, width);
  const header =
    width === undefined
      ? `[${python(group)}, *next(lines).${split}]`
      : `[${[group, ...columns].map(name => python(name)).join(', ')}]`;
  const script = [
    'import csv',
    'number = 1',
    `with open(${python(path)}, encoding="utf-8") as lines, open(${python(made)}, "w", newline="", encoding="utf-8") as table:`,
    '    rows = csv.writer(table)',
    `    rows.writerow(${header})`,
    '    for line in lines:',
    '        if line.strip() == "":',
    '            number += 1',
    hasComments
      ? `        elif not line.startswith((${COMMENTS.map(one => python(one)).join(', ')})):`
      : '        else:',
    `            rows.writerow([number, *line.${split}])`,
  ];
  const indented = script.map(line => `    ${line}\n`).join('');
  const command = [programName(process.argv, process.env), ...next(made).map(quoted)].join(' ');
  return new HintedError(
    error,
    `\nNumber the sequences, for example in Python:\n\n${indented}\nThen: ${command}\n`,
  );
}

/** Files of words and tags whose sequences are separated by blank lines, as in CoNLL. */
import { basename } from 'node:path';
import { usageError } from '../../util/errors.js';
import { programName, quoted } from '../command/command-line.js';
import { HintedError } from '../terminal/diagnostics.js';

/** What is looked at of a large file. */
const MAX_BYTES = 2 ** 20;
const MIN_BLOCKS = 5;
/** Mean number of lines. Blank lines after every line separate nothing. */
const MIN_LINES = 2;
const SEPARATORS = ['\t', ',', ';', '|', ' '] as const;

/** Refuses such a file, unless a column tells the blocks apart: a table has no blank lines. */
export function refuseBlocks(path: string, bytes: Buffer): void {
  const text = bytes.toString('utf8', 0, MAX_BYTES).replaceAll(/"[^"\n]*"/g, '""');
  const blocks = text
    .split(/(?:\r?\n[ \t]*){2,}/)
    .filter(block => block.trim() !== '')
    .map(block => block.trimEnd().split(/\r?\n/));
  if (bytes.length > MAX_BYTES) blocks.pop();
  const lines = blocks.flat();
  if (blocks.length < MIN_BLOCKS || lines.length < MIN_LINES * blocks.length) return;
  const separator = SEPARATORS.find(one => {
    const [{ length }, ...others] = lines.map(line => line.split(one));
    return length > 1 && others.every(fields => fields.length === length);
  });
  if (separator === undefined) return;
  // the first block may start with the names of the columns
  const others = blocks.slice(1).map(block => block.map(line => line.split(separator)));
  const [first, ...rest] = lines.map(line => line.split(separator));
  const tellsApart = (column: number) =>
    new Set(others.map(([fields]) => fields[column])).size === others.length &&
    others.every(block => block.every(fields => fields[column] === block[0][column]));
  if (first.some((_, column) => tellsApart(column))) return;
  const hasNames = first.every((name, column) => rest.every(fields => fields[column] !== name));
  throw separated(path, separator, hasNames ? undefined : first.length);
}

/** @param width number of columns, if they have no names */
function separated(path: string, separator: string, width: number | undefined): HintedError {
  const error = usageError('init/blocks', 'blank lines seem to separate the sequences', {
    file: path,
    expected: 'a column that numbers the sequences, or --group if there is one',
  });
  const python = JSON.stringify;
  const numbered = `${basename(path).replace(/\.\w+$/, '')}-numbered.csv`;
  const between = Array.from({ length: (width ?? 2) - 2 }, (_, i) => `column${i + 2}`);
  const names =
    width === undefined
      ? `["sentence", *next(lines).rstrip("\\n").split(${python(separator)})]`
      : `[${['sentence', 'word', ...between, 'tag'].map(name => python(name)).join(', ')}]`;
  const script = [
    'import csv',
    'sentence = 1',
    `with open(${python(path)}, encoding="utf-8") as lines, open(${python(numbered)}, "w", newline="", encoding="utf-8") as table:`,
    '    rows = csv.writer(table)',
    `    rows.writerow(${names})`,
    '    for line in lines:',
    '        if line.strip() == "":',
    '            sentence += 1',
    '        else:',
    `            rows.writerow([sentence, *line.rstrip("\\n").split(${python(separator)})])`,
  ];
  const indented = script.map(line => `    ${line}\n`).join('');
  const init = [programName(process.argv, process.env), 'init', '--from', quoted(numbered)].join(' ');
  return new HintedError(
    error,
    `\nNumber the sequences, for example in Python:\n\n${indented}\nThen: ${init}\n`,
  );
}

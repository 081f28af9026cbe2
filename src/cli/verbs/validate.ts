/** `validate`: everything about configs that can be checked without training, their data included. */
import {
  checkAgainstData,
  type LoadedExperiment,
  loadExperiment,
  locateInConfig,
} from '../../config/index.js';
import { OPTIMISTIC, testSelections } from '../../config/rules/splits.js';
import type { Dataset, SplitName } from '../../data/index.js';
import { checkName } from '../../experiment/run-directory.js';
import { openData } from '../../training/run/data.js';
import { gateReferences } from '../../training/run/gate-references.js';
import { initialParameters, modelSpec } from '../../training/run/session.js';
import { type Diagnostic, EXIT, type ExitCode, UserError } from '../../util/errors.js';
import { formatDiagnostics } from '../terminal/diagnostics.js';
import { formatAnnotations } from '../terminal/github.js';
import type { Io } from '../terminal/io.js';

export interface ValidateOptions {
  readonly format: 'text' | 'json' | 'github';
  readonly set: readonly string[];
  /** The folder of the checkout, under GitHub Actions. */
  readonly workspace?: string | undefined;
}

interface Verdict {
  readonly file: string;
  readonly valid: boolean;
  /** The code that this config alone would lead to. */
  readonly exitCode: ExitCode;
  readonly diagnostics: readonly Diagnostic[];
  /** What a run would do but its reader may not expect. */
  readonly warnings: readonly Diagnostic[];
  /** N of each split; absent if the data could not be read. */
  readonly sequences?: Readonly<Partial<Record<SplitName, number>>>;
}

/** Judges each config; the exit code is 2 where a config is wrong, else 5 where data are damaged, else 0. */
export async function validate(
  configs: readonly string[],
  { format, set, workspace }: ValidateOptions,
  io: Io,
): Promise<ExitCode> {
  const verdicts: Verdict[] = [];
  for (const file of configs) verdicts.push(await judge(file, set));
  report(verdicts, { format, workspace }, io);
  const codes = verdicts.map(verdict => verdict.exitCode);
  if (codes.includes(EXIT.usage)) return EXIT.usage;
  return codes.find(code => code !== EXIT.done) ?? EXIT.done;
}

async function judge(file: string, set: readonly string[]): Promise<Verdict> {
  try {
    const found = await checkWithData(loadExperiment(file, { set }));
    const valid = found.diagnostics.length === 0;
    return { file, valid, exitCode: valid ? EXIT.done : EXIT.usage, ...found };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { file, valid: false, exitCode: error.exitCode, diagnostics: error.diagnostics, warnings: [] };
  }
}

async function checkWithData(
  loaded: LoadedExperiment,
): Promise<Pick<Verdict, 'diagnostics' | 'warnings' | 'sequences'>> {
  const {
    data: { train, validation, test },
    ...found
  } = await checkedData(loaded);
  const sequences = {
    train: train.count,
    ...(validation && { validation: validation.count }),
    test: test.count,
  };
  return { ...found, sequences };
}

/**
 * The data of a config, and what is wrong or remarkable about both.
 * @throws UserError exit 2 or 5 if the data cannot be opened
 */
export async function checkedData(
  loaded: LoadedExperiment,
): Promise<Pick<Verdict, 'diagnostics' | 'warnings'> & { readonly data: Dataset }> {
  const { experiment } = loaded;
  try {
    checkName(experiment.name, loaded.locator.atValue(['name'], 'run/name', ''));
    const data = await openData(experiment);
    const { diagnostics, warnings, sizes } = checkAgainstData(loaded, data);
    gateReferences(loaded);
    if (diagnostics.length === 0) initialParameters(loaded, modelSpec(loaded, sizes));
    return { data, diagnostics, warnings: [...selectionWarnings(loaded), ...warnings] };
  } catch (error) {
    throw error instanceof UserError ? locateInConfig(error, loaded) : error;
  }
}

function selectionWarnings({ experiment, locator }: LoadedExperiment): Diagnostic[] {
  const expected = 'a validation split to select by, such as dataset.validation: { fraction: 0.1 }';
  return testSelections(experiment).map(({ path, what }) => {
    // a default stands nowhere in the file
    const place = locator.isGiven(path) ? path : ['dataset'];
    return locator.atValue(place, 'config/selected-on-test', `${what} is ${OPTIMISTIC}`, { expected });
  });
}

function report(
  verdicts: readonly Verdict[],
  { format, workspace }: Omit<ValidateOptions, 'set'>,
  io: Io,
): void {
  switch (format) {
    case 'json': {
      const configs = verdicts.map(({ file, valid, diagnostics, warnings, sequences }) => ({
        file,
        valid,
        diagnostics,
        warnings,
        sequences,
      }));
      io.out(`${JSON.stringify({ valid: verdicts.every(({ valid }) => valid), configs }, undefined, 2)}\n`);
      return;
    }
    case 'github':
      for (const { file, diagnostics, warnings } of verdicts) {
        io.out(formatAnnotations(diagnostics, { file, workspace }));
        io.out(formatAnnotations(warnings, { file, workspace, severity: 'warning' }));
      }
      return;
    case 'text':
      for (const verdict of verdicts) reportText(verdict, io);
      return;
    default:
      format satisfies never;
  }
}

function reportText({ file, valid, diagnostics, warnings, sequences }: Verdict, io: Io): void {
  if (warnings.length > 0) {
    io.err(`${formatDiagnostics(warnings, { color: io.color.err, severity: 'warning' })}\n`);
  }
  if (!valid) io.err(`${formatDiagnostics(diagnostics, { color: io.color.err })}\n`);
  const count = diagnostics.length;
  const verdict = valid
    ? `valid${countWords(sequences)}`
    : `${count} ${count === 1 ? 'problem' : 'problems'}`;
  io.out(`${file}: ${verdict}\n`);
}

/** ` (54,000 training, 6,000 validation, 10,000 test sequences)` */
function countWords(sequences: Verdict['sequences']): string {
  if (sequences === undefined) return '';
  const { train, validation, test } = sequences;
  const counts = Object.entries({ training: train, validation, test }).flatMap(([name, count]) =>
    count === undefined ? [] : `${count.toLocaleString('en')} ${name}`,
  );
  return ` (${counts.join(', ')} sequences)`;
}

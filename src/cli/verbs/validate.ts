/** `validate`: everything about configs that can be checked without training, their data included. */
import { loadExperiment } from '../../config/index.js';
import { type Validation, validateLoaded } from '../../library/validate.js';
import { EXIT, type ExitCode } from '../../util/errors.js';
import { formatDiagnostics } from '../terminal/diagnostics.js';
import { formatAnnotations } from '../terminal/github.js';
import type { Io } from '../terminal/io.js';

export interface ValidateOptions {
  readonly format: 'text' | 'json' | 'github';
  readonly set: readonly string[];
  /** The folder of the checkout, under GitHub Actions. */
  readonly workspace?: string | undefined;
}

type Verdict = Validation & { readonly file: string };

/** Judges each config; the exit code is 2 where a config is wrong, else 5 where data are damaged, else 0. */
export async function validate(
  configs: readonly string[],
  { format, set, workspace }: ValidateOptions,
  io: Io,
): Promise<ExitCode> {
  const verdicts: Verdict[] = [];
  for (const file of configs)
    verdicts.push({ file, ...(await validateLoaded(() => loadExperiment(file, { set }))) });
  report(verdicts, { format, workspace }, io);
  const codes = verdicts.map(verdict => verdict.exitCode);
  if (codes.includes(EXIT.usage)) return EXIT.usage;
  return codes.find(code => code !== EXIT.done) ?? EXIT.done;
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

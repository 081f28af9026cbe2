/** `validate CONFIG…`: checks configs, or sweeps, and their data without training. */
import { type Validation, validateFile } from '../../library/validate.js';
import { EXIT } from '../../util/errors.js';
import { counted, printable } from '../../util/words.js';
import { formatAnnotations } from '../../view/github.js';
import { asTyped } from '../command/command-line.js';
import { choice, defineVerb, jsonFormat, set } from '../command/verb.js';
import { formatDiagnostics } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';

export const verb = defineVerb({
  arguments: '<config...>',
  options: {
    set,
    format: choice('<format>', ['text', 'json', 'github'], 'output format').default('text'),
    json: jsonFormat,
  },
  help: 'Exit codes: 0 all configs are valid, 2 a config is wrong, 5 data is damaged.',
  async action([configs], { set, format, json }, { io, commandLine }) {
    const verdicts: Verdict[] = [];
    for (const file of configs) {
      const verdict = await validateFile(file, set);
      const diagnostics = asTyped(verdict.diagnostics, commandLine);
      verdicts.push({ file, ...verdict, diagnostics });
    }
    print(verdicts, json ? 'json' : format, io);
    const codes = verdicts.map(verdict => verdict.exitCode);
    if (codes.includes(EXIT.usage)) return EXIT.usage;
    return codes.find(code => code !== EXIT.done) ?? EXIT.done;
  },
});

type Verdict = Validation & { readonly file: string };

function print(verdicts: readonly Verdict[], format: 'text' | 'json' | 'github', io: Io): void {
  switch (format) {
    case 'json': {
      const configs = verdicts.map(({ exitCode, ...config }) => config);
      io.data(`${JSON.stringify({ valid: verdicts.every(({ valid }) => valid), configs }, undefined, 2)}\n`);
      return;
    }
    case 'github': {
      const workspace = process.env.GITHUB_WORKSPACE || undefined;
      for (const { file, diagnostics, warnings } of verdicts) {
        io.out(formatAnnotations(diagnostics, { file, workspace }));
        io.out(formatAnnotations(warnings, { file, workspace, severity: 'warning' }));
      }
      return;
    }
    case 'text': {
      for (const verdict of verdicts) printText(verdict, io);
      return;
    }
    default:
      format satisfies never;
  }
}

function printText({ file, valid, diagnostics, warnings, sequences }: Verdict, io: Io): void {
  const color = io.color.err;
  if (warnings.length > 0) io.err(`${formatDiagnostics(warnings, { color, severity: 'warning' })}\n`);
  if (!valid) io.err(`${formatDiagnostics(diagnostics, { color })}\n`);
  const verdict = valid ? `valid${countWords(sequences)}` : counted(diagnostics.length, 'problem');
  io.out(`${printable(file)}: ${verdict}\n`);
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

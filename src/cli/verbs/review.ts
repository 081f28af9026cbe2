/** `review PATH…`: checks runs from their files, for people and for CI. */
import { appendFileSync, statSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { type Reviewed, reviewRuns } from '../../judge/judging/review.js';
import { spellNonFinite } from '../../run/json.js';
import { caught, type Diagnostic, UserError } from '../../util/errors.js';
import { withFileErrors } from '../../util/system-errors.js';
import type { Block } from '../../view/blocks.js';
import { annotationsOf } from '../../view/github.js';
import { junitOf } from '../../view/junit.js';
import { markdownOf } from '../../view/markdown.js';
import { reviewDocument } from '../../view/review-document.js';
import { choice, defineVerb, flag, jsonFormat, list, number, text } from '../command/verb.js';
import { printDiagnostics } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';
import { textOf } from '../terminal/text.js';

const FORMATS = ['text', 'json', 'markdown', 'github', 'junit'] as const;
type Format = (typeof FORMATS)[number];

const options = {
  gate: list('<text>', "check this gate too, such as 'test.accuracy >= 0.97 over best'"),
  baseline: text('<file>', 'compare with a baseline written by --pin'),
  maxDrop: number('<amount>', 'how much worse than the baseline a test metric may be', 0),
  maxRegress: number('<fraction>', 'the same as a fraction of the baseline, such as 0.05', 0),
  pin: text('<file>', 'write a baseline of these runs'),
  format: choice('<format>', FORMATS, 'output format').default('text'),
  json: jsonFormat,
  recompute: flag('evaluate the final weights again and compare'),
};

export const verb = defineVerb({
  arguments: '<paths...>',
  options,
  help: `
A path is a run, an experiment directory or a sweep. A gate is METRIC >= NUMBER or METRIC <= NUMBER;
it uses the last value unless \`over best\` or \`over seeds\` (the mean of runs that differ only in their
seed) follows. A run that did not complete never passes.

Without --max-drop and --max-regress, a test metric fails if it is worse than the baseline by more
than its noise: a one-sided test at 5 % (for one run the prediction interval of the baseline's seeds,
for several Welch's test). A run with the config, data, code, backend and seed of a pinned run must
reach exactly its value.

A run whose files contradict each other counts as damaged. All of them could be forged together: to be
sure, compare the SHA-256 of the log with the one that the run printed, or use --recompute.

Exit codes: 0 all passed, 2 wrong usage, 3 a gate failed or is inconclusive, 5 files are damaged or
contradict each other.`,
  async action([paths], given, { io }) {
    const format = given.json ? 'json' : given.format;
    // imported here, since it loads the engine
    const doubts = given.recompute ? await (await import('./recompute.js')).recompute(paths) : undefined;
    const { gate: gates, pin, baseline, maxDrop: max_drop, maxRegress: max_regress } = given;
    const reviewed = reviewRuns(paths, { gates, pin, baseline, max_drop, max_regress, doubts });
    print(reviewed, format, io);
    return reviewed.review.exit_code;
  },
});

function print(reviewed: Reviewed, format: Format, io: Io): void {
  switch (format) {
    case 'json':
      io.data(`${JSON.stringify(spellNonFinite(reviewed.review), undefined, 2)}\n`);
      return;
    case 'markdown':
      io.data(markdownOf(reviewDocument(reviewed)));
      return;
    case 'junit':
      io.data(junitOf(reviewDocument(reviewed)));
      return;
    case 'github': {
      const blocks = reviewDocument(reviewed);
      // paths of annotations are relative to the checkout
      io.out(annotationsOf(blocks, process.env.GITHUB_WORKSPACE || resolve('.')));
      printDiagnostics(writeJobSummary(blocks, process.env), 'warning', io, '\n');
      return;
    }
    case 'text': {
      const blocks = reviewDocument(reviewed, path => relative('.', path) || '.');
      io.out(textOf(blocks.filter(({ kind }) => kind !== 'chart')));
      return;
    }
    default:
      format satisfies never;
  }
}

/** Limit of GitHub (docs.github.com, "Workflow commands for GitHub Actions"). */
const MAX_SUMMARY_BYTES = 2 ** 20;

/**
 * Appends a document to the job summary, up to its limit. Returns problems instead of throwing,
 * since they must not change the exit code.
 */
export function writeJobSummary(
  blocks: readonly Block[],
  { GITHUB_ACTIONS, GITHUB_STEP_SUMMARY: summary }: Readonly<Record<string, string | undefined>>,
): readonly Diagnostic[] {
  if (GITHUB_ACTIONS !== 'true' || !summary) return [];
  const append = () => {
    const used = statSync(summary, { throwIfNoEntry: false })?.size ?? 0;
    appendFileSync(summary, markdownOf(blocks, MAX_SUMMARY_BYTES - used));
  };
  const problem = caught(() => withFileErrors(summary, append));
  return problem instanceof UserError ? problem.diagnostics : [];
}

/** `review PATH…`: checks runs from their files, for people and for CI. */
import { relative } from 'node:path';
import { formatJunit } from '../../judge/formats/junit.js';
import { formatMarkdown } from '../../judge/formats/markdown.js';
import { textLines } from '../../judge/formats/text.js';
import { type Reviewed, reviewRuns } from '../../judge/review.js';
import { spellNonFinite } from '../../run/json.js';
import { printable } from '../../util/words.js';
import { jsonFormat } from '../command/options.js';
import { choice, defineVerb, flag, list, number, text } from '../command/verb.js';
import { formatWarnings } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';
import { type GithubPlace, githubAnnotations, githubPlace, writeJobSummary } from './review-github.js';

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
    const github = githubPlace(process.env);
    // imported here, since it loads the engine
    const doubts = given.recompute ? await (await import('./recompute.js')).recompute(paths) : undefined;
    const { gate: gates, pin, baseline, maxDrop: max_drop, maxRegress: max_regress } = given;
    const reviewed = reviewRuns(paths, { gates, pin, baseline, max_drop, max_regress, doubts });
    print(reviewed, format, github, io);
    return reviewed.review.exit_code;
  },
});

function print(reviewed: Reviewed, format: Format, github: GithubPlace, io: Io): void {
  const { review } = reviewed;
  switch (format) {
    case 'json':
      io.data(`${JSON.stringify(spellNonFinite(review), undefined, 2)}\n`);
      return;
    case 'markdown':
      io.data(formatMarkdown(reviewed));
      return;
    case 'junit':
      io.data(formatJunit(review));
      return;
    case 'github': {
      io.out(githubAnnotations(review, github));
      const problems = writeJobSummary(reviewed, github);
      if (problems.length > 0) io.err(`${formatWarnings(problems, io.color.err)}\n`);
      return;
    }
    case 'text':
      for (const line of textLines(review, path => relative('.', path) || '.'))
        io.out(`${printable(line)}\n`);
      return;
    default:
      format satisfies never;
  }
}

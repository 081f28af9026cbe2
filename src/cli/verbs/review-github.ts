/**
 * Prints a review in GitHub Actions: annotations on the lines of the gates, and a job summary.
 * GitHub limits a step to 10 errors, 10 warnings, 10 notices and a summary of 1 MiB
 * (docs.github.com, "Workflow commands for GitHub Actions").
 */
import { appendFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { formatMarkdown } from '../../judge/formats/markdown.js';
import {
  closingSentence,
  sweepSentences,
  type VerdictGroup,
  type VerdictLine,
  verdictGroups,
} from '../../judge/formats/verdict-lines.js';
import { placeOfGate } from '../../judge/judging/gate-places.js';
import type { Review, Reviewed } from '../../judge/review.js';
import { withFileErrors } from '../../run/files.js';
import { type Diagnostic, UserError } from '../../util/errors.js';
import { annotationLine } from '../terminal/github.js';

/** Paths that GitHub Actions passes in the environment. */
export interface GithubPlace {
  /** Directory of the checkout. Paths of annotations are relative to it. */
  readonly workspace: string | undefined;
  /** File of the job summary; undefined outside GitHub Actions. */
  readonly summary: string | undefined;
}

export function githubPlace(env: Readonly<Record<string, string | undefined>>): GithubPlace {
  return {
    workspace: env.GITHUB_WORKSPACE || undefined,
    summary: env.GITHUB_ACTIONS === 'true' ? env.GITHUB_STEP_SUMMARY || undefined : undefined,
  };
}

const MAX_ANNOTATIONS = 10;
const MAX_SUMMARY_BYTES = 2 ** 20;

/** One workflow command per line. Annotations beyond the limit are counted in plain lines. */
export function githubAnnotations(review: Review, { workspace }: GithubPlace): string {
  const groups = verdictGroups(review);
  const notices = groups
    .filter(({ notes }) => notes.length > 0)
    .map(({ about, notes }) =>
      annotationLine('notice', { title: 'review' }, [`${about}:`, ...notes].join('\n')),
    );
  const errors = groups.flatMap(group =>
    group.lines
      .filter(({ verdict, skipped }) => verdict !== 'passed' && !skipped)
      .map(line => errorLine(group, line, workspace)),
  );
  const sweeps = sweepSentences(review).map(one => annotationLine('warning', { title: 'sweep' }, one));
  const logged = review.runs.flatMap(({ run_id, warnings: { first } }) =>
    first.map(({ code, message }) => annotationLine('warning', { title: code }, `${run_id}: ${message}`)),
  );
  const warnings = [...sweeps, ...logged];
  const count = review.runs.reduce((sum, run) => sum + run.warnings.count, sweeps.length);
  return [
    ...errors.slice(0, MAX_ANNOTATIONS),
    ...rest(errors.length, 'verdicts that did not pass'),
    ...warnings.slice(0, MAX_ANNOTATIONS),
    ...rest(count, 'warnings'),
    ...notices.slice(0, MAX_ANNOTATIONS),
    ...rest(notices.length, 'notes'),
    closingSentence(review),
    '',
  ].join('\n');
}

function rest(count: number, what: string): string[] {
  return count > MAX_ANNOTATIONS ? [`${count - MAX_ANNOTATIONS} more ${what} are not annotated.`] : [];
}

function errorLine(
  { about, files }: VerdictGroup,
  { name, sentence, gate }: VerdictLine,
  workspace: string | undefined,
): string {
  const place = gate === undefined ? {} : placeOfGate(gate, files, workspace ?? resolve('.'));
  return annotationLine('error', { ...place, title: `gate ${name}` }, `${about}: ${sentence}`);
}

/**
 * Appends the review to the job summary, up to its limit. Returns problems instead of throwing,
 * since they must not change the exit code.
 */
export function writeJobSummary(reviewed: Reviewed, { summary }: GithubPlace): readonly Diagnostic[] {
  if (summary === undefined) return [];
  try {
    withFileErrors(summary, () => {
      const used = statSync(summary, { throwIfNoEntry: false })?.size ?? 0;
      appendFileSync(summary, formatMarkdown(reviewed, MAX_SUMMARY_BYTES - used));
    });
    return [];
  } catch (error) {
    if (error instanceof UserError) return error.diagnostics;
    throw error;
  }
}

/** `review RUN…`: runs judged from their files, for people and for CI. */
import { relative } from 'node:path';
import type { Diagnostic, ExitCode } from '../errors.js';
import { spellNonFinite } from '../experiment/json.js';
import { formatJunit } from '../review/format-junit.js';
import { formatMarkdown } from '../review/format-markdown.js';
import { textLines } from '../review/format-text.js';
import { type Reviewed, type ReviewOptions, reviewRuns } from '../review/review.js';
import { formatWarnings, printable } from './diagnostics.js';
import type { Io } from './io.js';
import { type GithubPlace, githubAnnotations, writeJobSummary } from './review-github.js';

export interface ReviewFlags extends ReviewOptions {
  readonly format: 'text' | 'json' | 'markdown' | 'github' | 'junit';
  readonly github: GithubPlace;
}

/** Exit 0 where everything passed, 3 where something failed or is inconclusive. Throws as `reviewRuns` does. */
export function review(
  paths: readonly string[],
  { format, github, ...options }: ReviewFlags,
  io: Io,
): ExitCode {
  const reviewed = reviewRuns(paths, options);
  print(reviewed, format, github, io);
  return reviewed.review.exit_code;
}

function warn(diagnostics: readonly Diagnostic[], io: Io): void {
  if (diagnostics.length > 0) io.err(`${formatWarnings(diagnostics, io.color.err)}\n`);
}

function print(reviewed: Reviewed, format: ReviewFlags['format'], github: GithubPlace, io: Io): void {
  const { review } = reviewed;
  switch (format) {
    case 'json':
      io.out(`${JSON.stringify(spellNonFinite(review), undefined, 2)}\n`);
      return;
    case 'markdown':
      io.out(formatMarkdown(reviewed));
      return;
    case 'junit':
      io.out(formatJunit(review));
      return;
    case 'github':
      io.out(githubAnnotations(review, github));
      warn(writeJobSummary(reviewed, github), io);
      return;
    case 'text':
      for (const line of textLines(review, path => relative('.', path) || '.'))
        io.out(`${printable(line)}\n`);
      return;
    default:
      format satisfies never;
  }
}

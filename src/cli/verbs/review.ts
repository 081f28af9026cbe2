/** `review RUN…`: runs judged from their files, for people and for CI. */
import { relative } from 'node:path';
import { spellNonFinite } from '../../experiment/files/json.js';
import { formatJunit } from '../../review/formats/junit.js';
import { formatMarkdown } from '../../review/formats/markdown.js';
import { textLines } from '../../review/formats/text.js';
import { type Reviewed, type ReviewOptions, reviewRuns } from '../../review/review.js';
import type { Diagnostic, ExitCode } from '../../util/errors.js';
import { formatWarnings, printable } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';
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

/** Every document that is generated, or has generated parts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';
import { withMeasurements } from './measurements.js';
import { referencePages } from './reference.js';

const MEASURED = ['README.md', 'docs/guide/reproducibility.md', 'docs/internals/measurements.md'];

/** The text that each file must have, by its path in the repository. */
export function generatedPages(): Readonly<Record<string, string>> {
  const reference = Object.entries(referencePages()).map(
    ([name, text]) => [`docs/reference/${name}`, text] as const,
  );
  const measured = MEASURED.map(
    path => [path, withMeasurements(readFileSync(join(packageRoot, path), 'utf8'))] as const,
  );
  return Object.fromEntries([...reference, ...measured]);
}

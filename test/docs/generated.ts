/** Documents with generated parts: texts between `<!-- begin NAME -->` and `<!-- end NAME -->`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';
import { measuredTexts } from './measurements.js';
import { referenceTexts } from './reference.js';

const MEASURED = ['README.md', 'docs/guide/reproducibility.md', 'docs/internals/measurements.md'];

/** The text that each file must have, by its path in the repository. */
export function generatedPages(): Readonly<Record<string, string>> {
  const texts: Readonly<Record<string, string>> = { ...measuredTexts(), ...referenceTexts() };
  const reference = readdirSync(join(packageRoot, 'docs/reference')).map(name => `docs/reference/${name}`);
  const pages = [...MEASURED, ...reference].map(path => {
    const page = readFileSync(join(packageRoot, path), 'utf8').replaceAll(
      /(<!-- begin (\w+) -->\n)[\s\S]*?(<!-- end \2 -->)/g,
      (_, begin: string, name: string, end: string) => {
        if (!(name in texts)) throw new Error(`no generated text is called ${name}`);
        return `${begin}${texts[name]}\n${end}`;
      },
    );
    return [path, page] as const;
  });
  return Object.fromEntries(pages);
}

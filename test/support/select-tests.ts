/** Selects the tests that a command line names. */
import { basename } from 'node:path';

/**
 * @param files all tests as paths below `test/` without extensions, such as `config/config-verbs`
 * @param wanted names, paths of sources or of compiled files, or folders; empty selects all tests
 */
export function selectTests(
  files: readonly string[],
  wanted: readonly string[],
): { readonly selected: readonly string[]; readonly unknown: readonly string[] } {
  if (wanted.length === 0) return { selected: files, unknown: [] };
  const found = wanted.map(word => {
    const folder = /^(?:dist\/)?test\/(.+?)\/?$/.exec(word)?.[1];
    if (folder && files.some(file => file.startsWith(`${folder}/`)))
      return files.filter(file => file.startsWith(`${folder}/`));
    const name = basename(word).replace(/\.test\.[jt]s$/, '');
    const exact = files.filter(file => basename(file) === name);
    return exact.length > 0 ? exact : files.filter(file => basename(file).startsWith(`${name}-`));
  });
  return {
    selected: files.filter(file => found.some(some => some.includes(file))),
    unknown: wanted.filter((_, i) => found[i].length === 0),
  };
}

/** `web CONFIG… -o DIR`: writes a static site that trains the configs in the browser. */
import { EXIT } from '../../util/errors.js';
import { formatBytes } from '../../util/numbers.js';
import { atNamedPlace } from '../../util/system-errors.js';
import { printable } from '../../util/words.js';
import { defineVerb, folder, list } from '../command/verb.js';

export const verb = defineVerb({
  arguments: '<configs...>',
  options: {
    output: folder('<dir>', 'directory of the site (default: site)').with({ short: '-o' }),
    slider: list('<key=low:high[:log]>', 'put a slider for a number of the configs on the page'),
  },
  help: 'Any web server can serve the site. The model trains in the page; nothing is sent anywhere.',
  async action([configs], { output = 'site', slider }, { io }) {
    const { writeSite } = await import('../../web/site.js');
    const size = await atNamedPlace(() => writeSite(configs, output, slider));
    io.out(`${printable(output)}\n`);
    io.err(`the files that the configs read have ${formatBytes(size)}\n`);
    return EXIT.done;
  },
});

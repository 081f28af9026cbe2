/** The dashboard's page: shows the view that the address names. */
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import 'uplot/dist/uPlot.min.css';
import '../style.css';
import '../list/list.css';
import './dashboard.css';
import { ComparePage } from './compare-page.js';
import { Frame } from './frame.js';
import { ListPage } from './list-page.js';
import { parseRoute, type Route } from './route.js';
import { RunPage } from './run-page.js';
import { SweepPage } from './sweep-page.js';

function Dashboard() {
  const [route, setRoute] = useState<Route>(() => parseRoute(location.hash));
  useEffect(() => {
    const follow = (): void => setRoute(parseRoute(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return (
    <Frame route={route}>
      <View route={route} />
    </Frame>
  );
}

function View({ route }: { readonly route: Route }) {
  switch (route.kind) {
    case 'list':
      return <ListPage filter={route.filter} />;
    case 'run':
      return <RunPage key={route.path} path={route.path} />;
    case 'sweep':
      return <SweepPage key={route.path} path={route.path} />;
    case 'compare':
      return <ComparePage paths={route.paths} />;
    default:
      return route satisfies never;
  }
}

const place = document.querySelector('#page');
if (place !== null) {
  place.replaceChildren();
  render(<Dashboard />, place);
}

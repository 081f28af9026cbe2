/** How wide an element is, also after the window changes. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

/** @param start taken until the element stands on the page */
export function useWidth<E extends Element>(start: number) {
  const ref = useRef<E>(null);
  const [width, setWidth] = useState(start);
  useLayoutEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const measure = () => {
      if (element.clientWidth > 0) setWidth(element.clientWidth);
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return { ref, width };
}

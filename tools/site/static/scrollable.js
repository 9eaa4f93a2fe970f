// Code and tables that are wider than the window can be scrolled from the keyboard, too.
function makeScrollable() {
  for (const region of document.querySelectorAll("pre, .table-wrapper")) {
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
    else region.removeAttribute("tabindex");
  }
}
addEventListener("DOMContentLoaded", makeScrollable);
addEventListener("resize", makeScrollable);

// C23's #embed (clang 19 and later): the compiler takes the bytes as they are and knows when they change. As array
// literals in Swift the same files took minutes to compile.
#include "CDemoSite.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

#define HTML "text/html; charset=utf-8"
#define CSS "text/css; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"

static const unsigned char index_html[] = {
#embed "demo/index.html"
};
static const unsigned char demo_css[] = {
#embed "demo/demo.css"
};
static const unsigned char demo_js[] = {
#embed "demo/demo.js"
};
static const unsigned char frames_js[] = {
#embed "demo/frames.js"
};
static const unsigned char inbox_view_js[] = {
#embed "demo/inbox-view.js"
};
static const unsigned char look_js[] = {
#embed "demo/look.js"
};
static const unsigned char publish_js[] = {
#embed "demo/publish.js"
};
static const unsigned char toasts_js[] = {
#embed "demo/toasts.js"
};
static const unsigned char icon_svg[] = {
#embed "demo/icon.svg"
};
static const unsigned char apus_js[] = {
#embed "js/apus.js"
};
static const unsigned char apus_connection_js[] = {
#embed "js/apus-connection.js"
};
static const unsigned char apus_decisions_js[] = {
#embed "js/apus-decisions.js"
};
static const unsigned char apus_outbox_js[] = {
#embed "js/apus-outbox.js"
};

static const struct demo_site_file files[] = {
    {"/", HTML, index_html, sizeof index_html},
    {"/demo.css", CSS, demo_css, sizeof demo_css},
    {"/demo.js", SCRIPT, demo_js, sizeof demo_js},
    {"/frames.js", SCRIPT, frames_js, sizeof frames_js},
    {"/inbox-view.js", SCRIPT, inbox_view_js, sizeof inbox_view_js},
    {"/look.js", SCRIPT, look_js, sizeof look_js},
    {"/publish.js", SCRIPT, publish_js, sizeof publish_js},
    {"/toasts.js", SCRIPT, toasts_js, sizeof toasts_js},
    {"/icon.svg", "image/svg+xml", icon_svg, sizeof icon_svg},
    {"/apus.js", SCRIPT, apus_js, sizeof apus_js},
    {"/apus-connection.js", SCRIPT, apus_connection_js, sizeof apus_connection_js},
    {"/apus-decisions.js", SCRIPT, apus_decisions_js, sizeof apus_decisions_js},
    {"/apus-outbox.js", SCRIPT, apus_outbox_js, sizeof apus_outbox_js},
};

const struct demo_site_file *demo_site_file(size_t index) {
    return index < sizeof files / sizeof files[0] ? &files[index] : NULL;
}

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
static const unsigned char chat_css[] = {
#embed "demo/chat.css"
};
static const unsigned char chat_details_js[] = {
#embed "demo/chat-details.js"
};
static const unsigned char chat_list_js[] = {
#embed "demo/chat-list.js"
};
static const unsigned char chat_panel_js[] = {
#embed "demo/chat-panel.js"
};
static const unsigned char composer_js[] = {
#embed "demo/composer.js"
};
static const unsigned char connection_view_js[] = {
#embed "demo/connection-view.js"
};
static const unsigned char conversations_js[] = {
#embed "demo/conversations.js"
};
static const unsigned char demo_js[] = {
#embed "demo/demo.js"
};
static const unsigned char frames_js[] = {
#embed "demo/frames.js"
};
static const unsigned char inbox_panel_js[] = {
#embed "demo/inbox-panel.js"
};
static const unsigned char inbox_view_js[] = {
#embed "demo/inbox-view.js"
};
static const unsigned char look_js[] = {
#embed "demo/look.js"
};
static const unsigned char message_menu_js[] = {
#embed "demo/message-menu.js"
};
static const unsigned char message_row_js[] = {
#embed "demo/message-row.js"
};
static const unsigned char messenger_js[] = {
#embed "demo/messenger.js"
};
static const unsigned char new_chat_js[] = {
#embed "demo/new-chat.js"
};
static const unsigned char people_js[] = {
#embed "demo/people.js"
};
static const unsigned char publish_js[] = {
#embed "demo/publish.js"
};
static const unsigned char route_js[] = {
#embed "demo/route.js"
};
static const unsigned char thread_view_js[] = {
#embed "demo/thread-view.js"
};
static const unsigned char thread_js[] = {
#embed "demo/thread.js"
};
static const unsigned char toasts_js[] = {
#embed "demo/toasts.js"
};
static const unsigned char waiting_js[] = {
#embed "demo/waiting.js"
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
static const unsigned char apus_watches_js[] = {
#embed "js/apus-watches.js"
};

static const struct demo_site_file files[] = {
    {"/", HTML, index_html, sizeof index_html},
    {"/demo.css", CSS, demo_css, sizeof demo_css},
    {"/chat.css", CSS, chat_css, sizeof chat_css},
    {"/chat-details.js", SCRIPT, chat_details_js, sizeof chat_details_js},
    {"/chat-list.js", SCRIPT, chat_list_js, sizeof chat_list_js},
    {"/chat-panel.js", SCRIPT, chat_panel_js, sizeof chat_panel_js},
    {"/composer.js", SCRIPT, composer_js, sizeof composer_js},
    {"/connection-view.js", SCRIPT, connection_view_js, sizeof connection_view_js},
    {"/conversations.js", SCRIPT, conversations_js, sizeof conversations_js},
    {"/demo.js", SCRIPT, demo_js, sizeof demo_js},
    {"/frames.js", SCRIPT, frames_js, sizeof frames_js},
    {"/inbox-panel.js", SCRIPT, inbox_panel_js, sizeof inbox_panel_js},
    {"/inbox-view.js", SCRIPT, inbox_view_js, sizeof inbox_view_js},
    {"/look.js", SCRIPT, look_js, sizeof look_js},
    {"/message-menu.js", SCRIPT, message_menu_js, sizeof message_menu_js},
    {"/message-row.js", SCRIPT, message_row_js, sizeof message_row_js},
    {"/messenger.js", SCRIPT, messenger_js, sizeof messenger_js},
    {"/new-chat.js", SCRIPT, new_chat_js, sizeof new_chat_js},
    {"/people.js", SCRIPT, people_js, sizeof people_js},
    {"/publish.js", SCRIPT, publish_js, sizeof publish_js},
    {"/route.js", SCRIPT, route_js, sizeof route_js},
    {"/thread-view.js", SCRIPT, thread_view_js, sizeof thread_view_js},
    {"/thread.js", SCRIPT, thread_js, sizeof thread_js},
    {"/toasts.js", SCRIPT, toasts_js, sizeof toasts_js},
    {"/waiting.js", SCRIPT, waiting_js, sizeof waiting_js},
    {"/icon.svg", "image/svg+xml", icon_svg, sizeof icon_svg},
    {"/apus.js", SCRIPT, apus_js, sizeof apus_js},
    {"/apus-connection.js", SCRIPT, apus_connection_js, sizeof apus_connection_js},
    {"/apus-decisions.js", SCRIPT, apus_decisions_js, sizeof apus_decisions_js},
    {"/apus-outbox.js", SCRIPT, apus_outbox_js, sizeof apus_outbox_js},
    {"/apus-watches.js", SCRIPT, apus_watches_js, sizeof apus_watches_js},
};

const struct demo_site_file *demo_site_file(size_t index) {
    return index < sizeof files / sizeof files[0] ? &files[index] : NULL;
}

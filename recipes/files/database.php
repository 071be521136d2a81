<?php
// Written by Buildyard: how the application reaches its database.
return [
    'host' => @HOST@,
    'port' => @PORT@,
    'name' => @DATABASE@,
    'user' => @USER@,
    'password' => @PASSWORD@,
    'flags' => @FLAGS@,
];
